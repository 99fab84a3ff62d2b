from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.serialization import AccessRecord, Evidence, MediaFile, Verdict
from api.storage.event_store import EventStore
from api.storage.pagination import CursorError, EventFilter
from lanewatch.records import Event
from streams.stages import UnavailableError
from tests.api.event_factory import BEGIN, after, make_event


def test_the_newest_revision_is_shown(store: EventStore) -> None:
    event = make_event()
    store.upsert(event)
    store.upsert(after(event, 5, score=0.9))
    store.upsert(after(event, 2, score=0.8))  # comes late
    stored = store.event("e-1")
    assert stored is not None
    assert stored.event == after(event, 5, score=0.9)
    assert stored.opened_at == event.updated_at


def test_every_revision_has_a_position_even_a_late_one(store: EventStore) -> None:
    event = make_event()
    revisions = [event, after(event, 5), after(event, 2)]
    assert [store.upsert(revision) for revision in revisions] == [1, 2, 3]
    assert [entry.event for entry in store.since(0)] == revisions


def test_a_revision_told_twice_is_stored_once(store: EventStore) -> None:
    told: list[int] = []
    store.listen(lambda entry: told.append(entry.position))
    assert [store.upsert(make_event()) for _ in range(3)] == [1, 1, 1]
    assert told == [1]


def test_a_revision_with_other_content_is_told_anew(store: EventStore) -> None:
    event = make_event()
    store.upsert(event)
    corrected = msgspec.structs.replace(event, score=0.6)
    assert store.upsert(corrected) == 2
    stored = store.event("e-1")
    assert stored is not None
    assert stored.event == corrected
    assert stored.position == 2


def test_one_run_does_not_write_over_another(store: EventStore) -> None:
    store.upsert(make_event(score=0.7))
    store.upsert(make_event(run="2026-02", score=0.3))
    scores = {run: found.event.score for run in ("live", "2026-02") if (found := store.event("e-1", run))}
    assert scores == {"live": 0.7, "2026-02": 0.3}
    preferred = store.event("e-1")
    assert preferred is not None
    assert preferred.event.run == "live"


def test_positions_rise_in_the_order_of_commits_over_threads(store: EventStore) -> None:
    told: list[int] = []
    store.listen(lambda entry: told.append(entry.position))

    def write(thread: int) -> None:
        for number in range(25):
            store.upsert(make_event(f"e-{thread}-{number}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == list(range(1, 101))
    assert [entry.position for entry in store.since(0, 1000)] == told


def test_what_operators_say_outlives_new_revisions(store: EventStore) -> None:
    event = make_event()
    store.upsert(event)
    store.judge("live", "e-1", Verdict("unsure", "too dark", "token", 1.0))
    store.upsert(after(event, 5))
    store.judge("live", "e-1", Verdict("true", "", "token", 2.0))
    stored = store.event("e-1")
    assert stored is not None
    assert [opinion.verdict for opinion in stored.verdicts] == ["unsure", "true"]
    assert [entry.what for entry in store.since(0)] == ["event", "verdict", "event", "verdict"]


def test_all_is_there_after_opening_anew(tmp_path: Path) -> None:
    first = EventStore(tmp_path / "events.db")
    first.upsert(make_event())
    first.judge("live", "e-1", Verdict("true", "", "local", 1.0))
    first.exhibit("live", "e-1", Evidence(MediaFile("ready", file="a.jpg")))
    before = first.since(0)
    first.close()
    second = EventStore(tmp_path / "events.db")
    assert second.since(0) == before
    assert second.upsert(after(make_event(), 1)) == before[-1].position + 1
    second.close()


KILLED = """
import sys
from api.storage.event_store import EventStore
from tests.api.event_factory import make_event
store = EventStore(sys.argv[1])
for number in range(10_000):
    store.upsert(make_event(f"e-{number}"))
    print(number, flush=True)
"""


def test_nothing_that_was_stored_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    ) as process:
        assert process.stdout is not None
        told = [int(line) for line in itertools.islice(process.stdout, 40)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout if line.endswith("\n")]
    store = EventStore(path)
    kept = {entry.event.id for entry in store.since(0, 10_000)}
    assert kept >= {f"e-{number}" for number in told}
    store.close()


def test_a_full_database_refuses_and_loses_nothing(store: EventStore) -> None:
    store.upsert(make_event("before"))

    def pages(most: int) -> None:  # SQLite's own way of being full: the error is that of a full disk
        with store._engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={most}")

    pages(1)
    with pytest.raises(UnavailableError, match="full"):
        store.upsert(make_event("too-much", sentence={"en": "x" * 100_000, "ko": ""}))
    assert [entry.event.id for entry in store.since(0)] == ["before"]
    pages(1_000_000)
    assert store.upsert(make_event("afterwards")) == 2


def test_evidence_that_a_killed_process_owed_is_said_not_to_come(store: EventStore) -> None:
    store.upsert(make_event("unseen"))
    store.upsert(make_event("going-on"))
    store.exhibit(
        "live", "going-on", Evidence(MediaFile("ready", file="a.jpg"), MediaFile("partial", "going_on", file="a.mp4"))
    )
    store.upsert(make_event("done"))
    done = Evidence(MediaFile("ready", file="b.jpg"), MediaFile("ready", file="b.mp4"))
    store.exhibit("live", "done", done)
    store.forsake()
    unseen, going_on = store.exhibits("live", "unseen"), store.exhibits("live", "going-on")
    assert (unseen.status, unseen.reason) == ("failed", "interrupted")
    assert (going_on.snapshot.status, going_on.clip.status, going_on.clip.reason) == ("ready", "partial", "interrupted")
    assert store.exhibits("live", "done") == done


def events() -> list[Event]:
    return [
        make_event("a", at=BEGIN + 10, severity=1),
        make_event("b", at=BEGIN + 20, kind="intrusion", severity=3, zone="field"),
        make_event("c", at=BEGIN + 30, camera="gate", state="closed"),
        make_event("d", at=BEGIN + 40, run="2026-02"),
    ]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (EventFilter(), "dcba"),  # the newest start first
        (EventFilter(cameras=("gate",)), "c"),
        (EventFilter(kinds=("intrusion", "loitering")), "dcba"),  # any of several
        (EventFilter(kinds=("intrusion",), cameras=("gate",)), ""),  # all of the filters
        (EventFilter(zones=("field",)), "b"),
        (EventFilter(states=("closed",)), "c"),
        (EventFilter(runs=("2026-02",)), "d"),
        (EventFilter(severity=2), "dcb"),  # the least
        (EventFilter(since=BEGIN + 8), "dcb"),  # at the instant itself: within
        (EventFilter(until=BEGIN + 8), "a"),  # at the instant itself: not within
        (EventFilter(since=BEGIN + 8, until=BEGIN + 28), "cb"),
    ],
)
def test_filters(store: EventStore, wanted: EventFilter, ids: str) -> None:
    for event in events():
        store.upsert(event)
    assert "".join(each.event.id for each in store.page(wanted).events) == ids


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(st.integers(0, 12), min_size=1, max_size=14),
    between=st.lists(st.integers(0, 12), max_size=6),
    limit=st.integers(1, 5),
    number=st.uuids(),
)
def test_pages_hold_each_event_once_while_others_come(
    store: EventStore, before: list[int], between: list[int], limit: int, number: object
) -> None:
    run = str(number)
    for index, second in enumerate(before):  # many start in the same second: ids break the tie
        store.upsert(make_event(f"b-{index}", run=run, at=BEGIN + second))
    coming = iter(enumerate(between))
    seen: list[str] = []
    cursor = None
    while True:
        page = store.page(EventFilter(runs=(run,)), cursor=cursor, limit=limit)
        seen += [each.event.id for each in page.events]
        for index, second in itertools.islice(coming, 2):
            store.upsert(make_event(f"n-{index}", run=run, at=BEGIN + second))
        if before:  # and one that is on a page already, or still to come, goes on
            store.upsert(
                make_event("b-0", run=run, at=BEGIN + before[0], revision=int(BEGIN * 1000) + len(seen) + 10**6)
            )
        if page.next is None:
            break
        cursor = page.next
    assert len(seen) == len(set(seen))
    assert set(seen) >= {f"b-{index}" for index in range(len(before))}


def test_the_last_page_says_so(store: EventStore) -> None:
    for number in range(4):
        store.upsert(make_event(f"e-{number}"))
    first = store.page(EventFilter(), limit=2)
    last = store.page(EventFilter(), limit=2, cursor=first.next)
    assert (len(last.events), last.next) == (2, None)


@pytest.mark.parametrize("cursor", ["x", "%%%", "bm9uZQ", "WzEsMl0", "é", "W251bGwsMSwyXQ"])
def test_a_cursor_of_ones_own_is_refused(store: EventStore, cursor: str) -> None:
    with pytest.raises(CursorError):
        store.page(EventFilter(), cursor=cursor)


def test_the_audit_is_told_newest_first_in_pages(store: EventStore) -> None:
    for number in range(5):
        store.looked(AccessRecord(0, float(number), "local", "127.0.0.1", "clip", "live", f"e-{number}", "lane", ""))
    first = store.looks(limit=2)
    rest = store.looks(limit=10, before=first[-1].number)
    assert [look.id for look in first + rest] == ["e-4", "e-3", "e-2", "e-1", "e-0"]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="needs a file"):
        EventStore(url)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="unable to open"):
        EventStore(tmp_path / "nowhere" / "events.db")
