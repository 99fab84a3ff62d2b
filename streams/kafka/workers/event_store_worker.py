"""The serve stage over Kafka: passes events and watermarks to the store, in the topic's order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from kafka import OffsetAndMetadata
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import metrics, tracing
from lanewatch.records import Event, Watermark
from streams.kafka import codec
from streams.kafka.client.connection import OFFSETS_MS, Broker
from streams.kafka.client.topics import Topics
from streams.kafka.consumer.offset_tracker import AssignedPartition
from streams.kafka.workers.worker_loop import WorkerLoop, format_position
from streams.stages import Serve, UnavailableError

RETRY_S = 1.0


@dataclass(frozen=True)
class _UnstoredRecord:
    """A record that waits for the store: an event, or the watermarks of cameras."""

    record: ConsumerRecord
    assigned: AssignedPartition
    content: Event | dict[str, Watermark]


class EventStoreWorker(WorkerLoop):
    """Passes the events topic to the serve stage, and commits what is stored.

    While the store is unavailable, the worker stops reading and repeats the first event. It stays in its group, and
    holds the offset. Of several services of a site one works, the others wait for its end. A service that comes back
    under its name continues at once. With ``anew`` it starts with the first event of the topic, such as for an empty
    store. That position is committed before the first event is stored. So a service that is killed then skips none.
    """

    def __init__(self, broker: Broker, topics: Topics, serve: Serve, *, node: str, anew: bool = False) -> None:
        super().__init__("serve", topics.events, broker, topics, group="serve", instance=f"serve-{node}")
        self._serve = serve
        self._rewind = anew
        self._unstored: deque[_UnstoredRecord] = deque()
        self._store_fails = False
        self._retry_at = 0.0

    @property
    def _has_room(self) -> bool:
        """Reading pauses while the store is unavailable. The records stay in the topic."""
        return not self._store_fails

    def _release(self, revoked: Sequence[AssignedPartition]) -> None:
        self._unstored = deque(unstored for unstored in self._unstored if unstored.assigned not in revoked)

    def _source_recreated(self) -> None:
        unstored = self._unstored.copy()  # they cannot be read again
        super()._source_recreated()
        self._unstored = unstored

    def _handle(self, record: ConsumerRecord, assigned: AssignedPartition) -> None:
        if self._rewind:
            return  # it comes again after the rewind
        assigned.progress.start(record.offset)
        metrics.RECORDS_IN.labels("serve").inc()
        try:
            self._unstored.append(_UnstoredRecord(record, assigned, codec.decode_event_record(record)))
        except codec.CodecError as error:
            metrics.record_refused("serve", error)
            assigned.progress.finish(record.offset)

    def _work(self) -> None:
        if self._rewind and self.partitions:
            self._seek_to_beginning()
            self._rewind = False
        if time.monotonic() >= self._retry_at:
            self._store_all()

    def _seek_to_beginning(self) -> None:
        """Commits the first offset, and then reads from there; raises ``KafkaError`` if it is not committed."""
        partitions = list(self._consumer.assignment())
        begins = self._consumer.beginning_offsets(partitions, timeout_ms=OFFSETS_MS)
        committed = {partition: OffsetAndMetadata(begin, "", -1) for partition, begin in begins.items()}
        self._consumer.commit(committed, timeout_ms=OFFSETS_MS)
        for partition, begin in begins.items():
            self._consumer.seek(partition, begin)

    def _store_all(self) -> None:
        """Stores what was read. The first event that the store does not accept keeps its place, with all after it."""
        while self._unstored and not self._stop.is_set():
            unstored = self._unstored[0]
            if isinstance(unstored.content, Event):
                if not self._store(unstored.content, unstored.record):
                    break
            else:
                for camera, watermark in unstored.content.items():
                    self._serve.advance(camera, watermark)
            self._unstored.popleft()
            unstored.assigned.progress.finish(unstored.record.offset)
        metrics.WAITING_EVENTS.labels("serve").set(len(self._unstored))

    def _store(self, event: Event, record: ConsumerRecord) -> bool:
        """Stores an event; False if the store is unavailable."""
        started = time.perf_counter()
        try:
            self._serve.upsert(event)
        except UnavailableError as error:
            self._store_fails, self._retry_at = True, time.monotonic() + RETRY_S
            problem = "%s: event %s and all after it wait for the store: %s"
            metrics.log_throttled(self._log, "store", problem, format_position(record), event.id, error)
            return False
        if self._store_fails:
            self._store_fails = False
            metrics.reset_throttle(self._log, ["store"])
            self._log.info("the store accepts events again")
        metrics.RECORDS_OUT.labels("serve").inc()
        tracing.add_span("serve", codec.trace_context(record), time.perf_counter() - started, camera=event.camera)
        return True
