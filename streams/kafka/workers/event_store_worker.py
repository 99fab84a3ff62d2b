"""The serve stage over Kafka: passes events and watermarks to the store, in the topic's order."""

from __future__ import annotations

import time

from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import metrics, tracing
from lanewatch.records import Event
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.consumer.offset_tracker import AssignedPartition
from streams.kafka.workers.worker_loop import WorkerLoop, format_position
from streams.stages import Serve, UnavailableError

RETRY_S = 1.0


class EventStoreWorker(WorkerLoop):
    """Passes the events topic to the serve stage, and commits what is stored.

    While the store is unavailable, the worker repeats the event and holds its offset. Of several services of a site
    one works, the others wait for its end. A service that comes back under its name continues at once.
    With ``anew`` it starts with the first event of the topic, such as for an empty store.
    """

    def __init__(self, broker: Broker, topics: Topics, serve: Serve, *, node: str, anew: bool = False) -> None:
        super().__init__("serve", topics.events, broker, topics, group="serve", instance=f"serve-{node}")
        self._serve = serve
        self._rewind = anew

    def _work(self) -> None:
        if self._rewind and self.partitions:
            self._consumer.seek_to_beginning()
            self._rewind = False

    def _handle(self, record: ConsumerRecord, assigned: AssignedPartition) -> None:
        if self._rewind:
            return  # it comes again after the rewind
        assigned.progress.start(record.offset)
        metrics.RECORDS_IN.labels("serve").inc()
        try:
            decoded = codec.decode_event_record(record)
        except codec.CodecError as error:
            metrics.record_refused("serve", error)
        else:
            if not isinstance(decoded, Event):
                for camera, watermark in decoded.items():
                    self._serve.advance(camera, watermark)
            elif not self._store(decoded, record):
                return  # not finished, so not committed: the next service stores it
        assigned.progress.finish(record.offset)

    def _store(self, event: Event, record: ConsumerRecord) -> bool:
        """Stores an event; False if the worker is stopped while the store is unavailable."""
        started = time.perf_counter()
        while True:
            try:
                self._serve.upsert(event)
                break
            except UnavailableError as error:
                problem = "%s: event %s and all after it wait for the store: %s"
                metrics.log_throttled(self._log, "store", problem, format_position(record), event.id, error)
                if self._stop.wait(RETRY_S):
                    return False
        metrics.reset_throttle(self._log, ["store"])
        metrics.RECORDS_OUT.labels("serve").inc()
        tracing.add_span("serve", codec.trace_context(record), time.perf_counter() - started, camera=event.camera)
        return True
