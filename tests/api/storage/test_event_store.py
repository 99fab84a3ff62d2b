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

from api.storage.event_store import EventStore
from api.storage.pagination import CursorError, EventFilter
from api.storage.records import AccessRecord, Evidence, MediaFile, Verdict
from lanewatch.records import Event
from streams.stages import UnavailableError
from tests.api.event_factory import BEGIN, after, make_event


def test_the_newest_revision_is_shown(store: EventStore) -> None:
    event = make_event()
    store.upsert(event)
    store.upsert(after(event, 5, score=0.9))
    store.upsert(after(event, 2, score=0.8))  # outdated
    stored = store.event("e-1")
    assert stored is not None
    assert stored.event == after(event, 5, score=0.9)
    assert stored.opened_at == event.updated_at


def test_every_revision_has_a_position_even_an_outdated_one(store: EventStore) -> None:
    event = make_event()
    revisions = [event, after(event, 5), after(event, 2)]
    assert [store.upsert(revision) for revision in revisions] == [1, 2, 3]
    assert [change.event for change in store.since(0)] == revisions


def test_a_revision_sent_twice_is_stored_once(store: EventStore) -> None:
    notified: list[int] = []
    store.listen(lambda change: notified.append(change.position))
    assert [store.upsert(make_event()) for _ in range(3)] == [1, 1, 1]
    assert notified == [1]


def test_a_revision_with_other_content_is_a_new_change(store: EventStore) -> None:
    event = make_event()
    store.upsert(event)
    corrected = msgspec.structs.replace(event, score=0.6)
    assert store.upsert(corrected) == 2
    stored = store.event("e-1")
    assert stored is not None
    assert stored.event == corrected
    assert stored.position == 2


def test_runs_do_not_overwrite_each_other(store: EventStore) -> None:
    store.upsert(make_event(score=0.7))
    store.upsert(make_event(run="2026-02", score=0.3))
    scores = {run: found.event.score for run in ("live", "2026-02") if (found := store.event("e-1", run))}
    assert scores == {"live": 0.7, "2026-02": 0.3}
    preferred = store.event("e-1")
    assert preferred is not None
    assert preferred.event.run == "live"


def test_positions_rise_in_the_order_of_commits_over_threads(store: EventStore) -> None:
    notified: list[int] = []
    store.listen(lambda change: notified.append(change.position))

    def write(thread: int) -> None:
        for number in range(25):
            store.upsert(make_event(f"e-{thread}-{number}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert notified == list(range(1, 101))
    assert [change.position for change in store.since(0, 1000)] == notified


def test_verdicts_outlive_new_revisions(store: EventStore) -> None:
    event = make_event()
    store.upsert(event)
    store.add_verdict("live", "e-1", Verdict("unsure", "too dark", "token", 1.0))
    store.upsert(after(event, 5))
    store.add_verdict("live", "e-1", Verdict("true", "", "token", 2.0))
    stored = store.event("e-1")
    assert stored is not None
    assert [verdict.verdict for verdict in stored.verdicts] == ["unsure", "true"]
    assert [change.change for change in store.since(0)] == ["event", "verdict", "event", "verdict"]


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    first = EventStore(tmp_path / "events.db")
    first.upsert(make_event())
    first.add_verdict("live", "e-1", Verdict("true", "", "local", 1.0))
    first.save_evidence("live", "e-1", Evidence(MediaFile("ready", file="a.jpg")))
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


def test_nothing_stored_is_lost_if_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    ) as process:
        assert process.stdout is not None
        printed = [int(line) for line in itertools.islice(process.stdout, 40)]
        process.send_signal(signal.SIGKILL)
        printed += [int(line) for line in process.stdout if line.endswith("\n")]
    store = EventStore(path)
    stored = {change.event.id for change in store.since(0, 10_000)}
    assert len(printed) >= 40
    assert stored >= {f"e-{number}" for number in printed}
    store.close()


def test_a_full_database_raises_and_loses_nothing(store: EventStore) -> None:
    store.upsert(make_event("before"))

    def limit_pages(limit: int) -> None:  # SQLite then raises the error of a full disk
        with store._engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={limit}")

    limit_pages(1)
    with pytest.raises(UnavailableError, match="full"):
        store.upsert(make_event("too-much", sentence={"en": "x" * 100_000, "ko": ""}))
    assert [change.event.id for change in store.since(0)] == ["before"]
    limit_pages(1_000_000)
    assert store.upsert(make_event("afterwards")) == 2


def test_unfinished_evidence_of_a_killed_process_fails(store: EventStore) -> None:
    store.upsert(make_event("unseen"))
    store.upsert(make_event("going-on"))
    store.save_evidence(
        "live", "going-on", Evidence(MediaFile("ready", file="a.jpg"), MediaFile("partial", "going_on", file="a.mp4"))
    )
    store.upsert(make_event("done"))
    done = Evidence(MediaFile("ready", file="b.jpg"), MediaFile("ready", file="b.mp4"))
    store.save_evidence("live", "done", done)
    store.fail_pending_evidence()
    unseen, going_on = store.evidence_of("live", "unseen"), store.evidence_of("live", "going-on")
    assert (unseen.status, unseen.reason) == ("failed", "interrupted")
    assert (going_on.snapshot.status, going_on.clip.status, going_on.clip.reason) == ("ready", "partial", "interrupted")
    assert store.evidence_of("live", "done") == done


def events() -> list[Event]:
    return [
        make_event("a", at=BEGIN + 10, severity=1),
        make_event("b", at=BEGIN + 20, kind="intrusion", severity=3, zone="field"),
        make_event("c", at=BEGIN + 30, camera="gate", state="closed"),
        make_event("d", at=BEGIN + 40, run="2026-02"),
    ]


@pytest.mark.parametrize(
    ("event_filter", "ids"),
    [
        (EventFilter(), "dcba"),  # the newest start first
        (EventFilter(cameras=("gate",)), "c"),
        (EventFilter(kinds=("intrusion", "loitering")), "dcba"),  # any value of a filter
        (EventFilter(kinds=("intrusion",), cameras=("gate",)), ""),  # all filters
        (EventFilter(zones=("field",)), "b"),
        (EventFilter(states=("closed",)), "c"),
        (EventFilter(runs=("2026-02",)), "d"),
        (EventFilter(severity=2), "dcb"),  # the lowest
        (EventFilter(since=BEGIN + 8), "dcb"),  # inclusive
        (EventFilter(until=BEGIN + 8), "a"),  # exclusive
        (EventFilter(since=BEGIN + 8, until=BEGIN + 28), "cb"),
    ],
)
def test_filters(store: EventStore, event_filter: EventFilter, ids: str) -> None:
    for event in events():
        store.upsert(event)
    assert "".join(stored.event.id for stored in store.page(event_filter).events) == ids


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(st.integers(0, 12), min_size=1, max_size=14),
    between=st.lists(st.integers(0, 12), max_size=6),
    limit=st.integers(1, 5),
    number=st.uuids(),
)
def test_pages_contain_each_event_once_while_new_ones_arrive(
    store: EventStore, before: list[int], between: list[int], limit: int, number: object
) -> None:
    run = str(number)
    for index, second in enumerate(before):  # many start in the same second, so ids decide the order
        store.upsert(make_event(f"b-{index}", run=run, at=BEGIN + second))
    arriving = iter(enumerate(between))
    seen: list[str] = []
    cursor = None
    while True:
        page = store.page(EventFilter(runs=(run,)), cursor=cursor, limit=limit)
        seen += [stored.event.id for stored in page.events]
        for index, second in itertools.islice(arriving, 2):
            store.upsert(make_event(f"n-{index}", run=run, at=BEGIN + second))
        if before:  # an event on an earlier or later page gets a new revision
            store.upsert(
                make_event("b-0", run=run, at=BEGIN + before[0], revision=int(BEGIN * 1000) + len(seen) + 10**6)
            )
        if page.next is None:
            break
        cursor = page.next
    assert len(seen) == len(set(seen))
    assert set(seen) >= {f"b-{index}" for index in range(len(before))}


def test_the_last_page_has_no_cursor(store: EventStore) -> None:
    for number in range(4):
        store.upsert(make_event(f"e-{number}"))
    first = store.page(EventFilter(), limit=2)
    last = store.page(EventFilter(), limit=2, cursor=first.next)
    assert (len(last.events), last.next) == (2, None)


@pytest.mark.parametrize("cursor", ["x", "%%%", "bm9uZQ", "WzEsMl0", "é", "W251bGwsMSwyXQ"])
def test_an_invalid_cursor_is_rejected(store: EventStore, cursor: str) -> None:
    with pytest.raises(CursorError):
        store.page(EventFilter(), cursor=cursor)


def test_the_access_log_has_pages_with_the_newest_first(store: EventStore) -> None:
    for number in range(5):
        store.record_access(
            AccessRecord(0, float(number), "local", "127.0.0.1", "clip", "live", f"e-{number}", "lane", "")
        )
    first = store.access_log(limit=2)
    rest = store.access_log(limit=10, before=first[-1].number)
    assert [record.id for record in first + rest] == ["e-4", "e-3", "e-2", "e-1", "e-0"]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="needs a file"):
        EventStore(url)


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="unable to open"):
        EventStore(tmp_path / "nowhere" / "events.db")
