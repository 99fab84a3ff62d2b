"""A store that is unavailable while a live camera is watched."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from api.event_queue import EventQueue
from api.event_sink import EventSink
from api.in_process_service import ServiceContext
from api.storage import event_store
from api.storage.event_journal import FILE_NAME, EventJournal
from api.storage.event_store import EventStore
from lanewatch import metrics
from lanewatch.records import Event, Frame, Watermark
from streams.local.runner import MAX_DETECTIONS, LocalRunner
from streams.video.packet_buffer import PacketBuffer
from tests.api.conftest import StartService, make_site
from tests.api.event_factory import make_event
from tests.streams.doubles import CountingWatch, GatedDetector, frame

WAIT_S = 240.0


@pytest.fixture(autouse=True)
def short_busy_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_store, "_BUSY_TIMEOUT_S", 0.2)
    metrics.reset_throttle(metrics.log("store"), ["unavailable"])


@pytest.fixture
def store(tmp_path: Path, short_busy_timeout: None) -> Iterator[EventStore]:
    with contextlib.closing(EventStore(tmp_path / "events.db")) as store:
        yield store


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds the database for writing."""
    with contextlib.closing(sqlite3.connect(path / "events.db", isolation_level=None, timeout=WAIT_S)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def stored(store: EventStore) -> list[tuple[str, int]]:
    return [(change.event.id, change.event.revision) for change in store.since(0, 1000) if change.change == "event"]


def revisions(count: int) -> list[Event]:
    return [make_event(f"e{number}", revision=1_000 + number) for number in range(count)]


def expected(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.id, event.revision) for event in events]


class LockstepCamera:
    """A live camera that gives a frame when the one before was watched, so that none is shed for lack of speed."""

    camera, live = "a", True

    def __init__(self, slots: int) -> None:
        self.watched: Callable[[], int] = lambda: 0
        self._slots = slots

    def __iter__(self) -> Iterator[Frame]:
        for slot in range(self._slots):
            until(partial(self._has_watched, slot))
            yield frame(slot, self.camera)

    def close(self) -> None:
        """It ends by itself."""

    def _has_watched(self, frames: int) -> bool:
        return self.watched() >= frames


def test_watching_continues_while_another_program_holds_the_store(
    store: EventStore, tmp_path: Path, start_service: StartService, caplog: pytest.LogCaptureFixture
) -> None:
    """Before, the watch stage waited with its first event, and frames were shed when its queue was full."""
    journal = EventJournal(tmp_path / FILE_NAME)
    queue = EventQueue(EventSink(store), journal)
    service = start_service(store_waits=lambda: queue.store_waits)
    camera = LockstepCamera(2 * MAX_DETECTIONS)
    runner = LocalRunner([camera], GatedDetector(), CountingWatch(), queue)
    camera.watched = lambda: runner.frames
    with locked(tmp_path):
        runner.run()
        assert runner.frames == 2 * MAX_DETECTIONS
        until(lambda: journal.count == runner.frames)
        assert service.get("/readyz").json() == {"status": "unready", "wrong": ["store"]}
        assert metrics.WAITING_EVENTS.labels("serve")._value.get() > 0
        assert stored(store) == []
    assert queue.wait_until_stored(WAIT_S)
    queue.close()
    assert stored(store) == [(f"a-{slot}", slot) for slot in range(runner.frames)]
    assert not journal.path.exists()
    assert metrics.WAITING_EVENTS.labels("serve")._value.get() == 0
    assert service.get("/readyz").json() == {"status": "ok", "wrong": []}
    assert caplog.text.count("events wait for the store") == 1
    assert "the store accepts events again" in caplog.text


def test_progress_follows_the_events_before_it(store: EventStore, tmp_path: Path) -> None:
    """Evidence is cut by progress. So an event must be stored before later progress is passed on."""
    steps: list[str] = []

    class RecordingSink(EventSink):
        def upsert(self, event: Event) -> None:
            super().upsert(event)
            steps.append(event.id)

        def cut_evidence(self, camera: str, captured_at: float) -> None:
            steps.append(f"{captured_at:g}")

    queue = EventQueue(RecordingSink(store), EventJournal(tmp_path / FILE_NAME))
    with locked(tmp_path):
        for number, event in enumerate(revisions(3)):
            queue.upsert(event)
            queue.advance("lane", Watermark(float(number), 0.0))
    assert queue.wait_until_stored(WAIT_S)
    queue.close()
    assert [step for step in steps if step.startswith("e")] == ["e0", "e1", "e2"]
    assert steps[-1] == "2"


def test_what_waits_at_the_end_is_stored_at_the_next_start(store: EventStore, tmp_path: Path) -> None:
    events = revisions(3)
    queue = EventQueue(EventSink(store), EventJournal(tmp_path / FILE_NAME))
    with locked(tmp_path):
        for event in events:
            queue.upsert(event)
        queue.close()
    with ServiceContext(make_site, tmp_path, PacketBuffer()) as context:
        assert stored(context.store) == expected(events)


KILLED = """
import sys, time
from pathlib import Path
from api.event_queue import EventQueue
from api.event_sink import EventSink
from api.storage import event_store
from api.storage.event_journal import FILE_NAME, EventJournal
from tests.api.test_event_queue import revisions, until

event_store._BUSY_TIMEOUT_S = 0.2
folder = Path(sys.argv[1])
journal = EventJournal(folder / FILE_NAME)
queue = EventQueue(EventSink(event_store.EventStore(folder / "events.db")), journal)
for event in revisions(20):
    queue.upsert(event)
until(lambda: journal.count == 20)
print("waiting", flush=True)
time.sleep(1000)
"""


def test_waiting_events_outlive_a_killed_process(store: EventStore, tmp_path: Path) -> None:
    """Some of them are stored already, as when a process is killed between the store and the end of the journal."""
    events = revisions(20)
    for event in events[:5]:
        store.upsert(event)
    with locked(tmp_path):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
        with process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == b"waiting\n"
            finally:
                process.kill()
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"run":"live","id":"half of a l')
    with ServiceContext(make_site, tmp_path, PacketBuffer()) as context:
        assert stored(context.store) == expected(events)
        found = context.store.event("e19")
        assert found is not None
        assert found.evidence.status == "failed"
    assert not (tmp_path / FILE_NAME).exists()


def test_a_line_that_is_no_event_is_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = EventJournal(tmp_path / FILE_NAME)
    first, second = revisions(2)
    journal.append([first])
    with journal.path.open("ab") as file:
        file.write(b"what is this\n")
    journal.append([second])
    received: list[Event] = []
    EventJournal(journal.path).replay(received.append)
    assert received == [first, second]
    assert f"{journal.path}: a line at byte" in caplog.text


def test_a_full_disk_keeps_events_in_memory_up_to_the_bound(store: EventStore, tmp_path: Path) -> None:
    queue = EventQueue(EventSink(store), _FullDisk(tmp_path / FILE_NAME), max_events=3)
    events = revisions(4)
    fourth = threading.Thread(target=queue.upsert, args=(events[3],))
    with locked(tmp_path):
        for event in events[:3]:
            queue.upsert(event)
        fourth.start()
        fourth.join(0.5)
        assert fourth.is_alive()
    fourth.join(WAIT_S)
    assert queue.wait_until_stored(WAIT_S)
    queue.close()
    assert stored(store) == expected(events)


class _FullDisk(EventJournal):
    """A journal on a full disk."""

    def append(self, events: Sequence[Event]) -> None:
        raise OSError(28, "No space left on device")
