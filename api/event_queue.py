"""Keeps events while the store is unavailable, so that a store that waits does not stop the watching."""

from __future__ import annotations

import threading
from collections import deque

from api.event_sink import EventSink
from api.storage.event_journal import EventJournal
from lanewatch import metrics
from lanewatch.records import Event, Watermark
from streams.stages import UnavailableError

MAX_EVENTS = 10_000
"""Events in memory, of 1 to 3 KB each: some 30 MB. There are so many only while neither store nor disk can be written.
Above that the watch stage waits."""

RETRY_S = 1.0

log = metrics.log("store")


class EventQueue:
    """Passes events to the serve stage in a thread of its own; implements ``streams.stages.Serve``. For live cameras.

    While the store is unavailable, for example because another program locks it, events go to the journal, a file.
    When the store is back, they are stored in order. What is in the file when the process ends is stored at the next
    start. An event that waits gets its evidence late, and may get none: the packet buffer holds a minute.
    """

    def __init__(self, sink: EventSink, journal: EventJournal, *, max_events: int = MAX_EVENTS) -> None:
        self._sink = sink
        self._journal = journal
        self._max_events = max_events
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self._captured_at: dict[str, float] = {}  # by camera
        self._unavailable = False
        self._busy = False
        self._closed = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    @property
    def store_waits(self) -> bool:
        """Whether events wait because the store is unavailable."""
        return self._unavailable

    def upsert(self, event: Event) -> None:
        """Queues a revision of an event; waits if ``max_events`` wait already.

        Raises:
            Exception: the error that has ended the thread.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) < self._max_events or self._failure or self._closed)
            if self._failure is not None:
                raise self._failure
            self._events.append(event)
            self._changed.notify_all()

    def advance(self, camera: str, reached: Watermark) -> None:
        """Passes on a camera's progress. Its evidence is cut after all earlier events are stored."""
        self._sink.update_camera(camera, reached)
        with self._changed:
            self._captured_at[camera] = reached.captured_at
            self._changed.notify_all()

    def wait_until_stored(self, timeout_s: float) -> bool:
        """Waits until the store has all events; False if it has not in time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._events or self._captured_at or self._busy or self._unavailable), timeout_s
            )

    def close(self) -> None:
        """Stores what waits, or leaves it in the journal for the next start."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                if self._unavailable:
                    self._retry()
                else:
                    self._pass_on()
        except Exception as error:  # raised by the next ``upsert``
            log.exception("events are no longer stored")
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _wait_for_work(self) -> bool:
        """Waits for events, progress, or the next attempt; False when all is done at the end."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            if self._unavailable:
                if self._changed.wait_for(lambda: self._closed, RETRY_S):
                    return self._end()
                self._busy = True
                return True
            self._changed.wait_for(lambda: self._events or self._captured_at or self._closed)
            self._busy = True
            return bool(self._events or self._captured_at)

    def _end(self) -> bool:
        """Leaves what waits to the next start."""
        self._write_journal()
        text = "%d events wait in %s for the store, the next start stores them"
        log.warning(text, self._journal.count, self._journal.path)
        for event in self._events:
            metrics.DROPPED.labels("serve", event.camera, "store").inc()
        if self._events:
            log.error("%d events are lost: neither the store nor the journal can be written", len(self._events))
        return False

    def _pass_on(self) -> None:
        """Stores the next event. When there is none, reports the cameras' progress."""
        with self._changed:
            event = self._events[0] if self._events else None
            if event is None:
                progress, self._captured_at = self._captured_at, {}
        if event is None:
            for camera, captured_at in progress.items():
                self._sink.cut_evidence(camera, captured_at)
            return
        try:
            self._sink.upsert(event)
        except UnavailableError as error:
            self._unavailable = True
            self._write_journal()
            self._log_waiting(error)
        else:
            self._remove(1)

    def _retry(self) -> None:
        """Writes the new events to the journal, and then tries to store all of it."""
        self._write_journal()
        try:
            self._journal.replay(self._sink.upsert)
        except UnavailableError as error:
            self._log_waiting(error)
        else:
            self._unavailable = False
            metrics.reset_throttle(log, ["unavailable"])
            metrics.WAITING_EVENTS.labels("serve").set(0)
            log.warning("the store accepts events again, all that waited are stored")

    def _write_journal(self) -> None:
        with self._changed:
            events = list(self._events)
        try:
            self._journal.append(events)
        except OSError as error:
            text = "%d events wait in memory, %s cannot be written: %s"
            metrics.log_throttled(log, "journal", text, len(events), self._journal.path, error)
        else:
            self._remove(len(events))

    def _remove(self, count: int) -> None:
        with self._changed:
            for _ in range(count):
                self._events.popleft()
            self._changed.notify_all()

    def _log_waiting(self, error: UnavailableError) -> None:
        waiting = self._journal.count + len(self._events)
        metrics.WAITING_EVENTS.labels("serve").set(waiting)
        text = "%d events wait for the store, those on disk are in %s: %s"
        metrics.log_throttled(log, "unavailable", text, waiting, self._journal.path, error)
