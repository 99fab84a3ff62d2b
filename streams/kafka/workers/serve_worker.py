"""The serve stage over Kafka: events, and how far the cameras have been judged, to the store in the topic's order."""

from __future__ import annotations

import threading
import time

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from lanewatch import metrics, tracing
from lanewatch.records import Event
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.consumer.metrics import ConsumerMetrics
from streams.kafka.consumer.offset_tracker import OffsetTracker
from streams.kafka.consumer.retry import RetryPolicy
from streams.kafka.evidence.frame_store import KafkaFrameStore
from streams.stages import Serve, UnavailableError

COMMIT_S = 1.0
"""A service that is killed is told so much again; the store takes each revision once."""

RETRY_S = 1.0

_POLL_MS = 200
_CLOSE_MS = 5_000

log = metrics.log("serve")


class ServeWorker:
    """Hands the events topic to what serves it, and commits what has been stored.

    A store that is away is asked again, and keeps its place. Of several services of one site one is at work, the others
    wait for its end; one that comes back under its name goes on at once.

    Args:
        broker: the site's.
        topics: the site's.
        serve: the stage.
        node: what this process is called; its name in the group.
        anew: whether to begin with all that the topic still has, such as for a store that is empty.
        footage: from which the stage cuts evidence; it is told how late the cameras' records come.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        serve: Serve,
        *,
        node: str,
        anew: bool = False,
        footage: KafkaFrameStore | None = None,
    ) -> None:
        self.node = node
        self._broker = broker
        self._topics = topics
        self._serve = serve
        self._anew = anew
        self._footage = footage
        self._partition = TopicPartition(topics.events.name, 0)
        self._patience = RetryPolicy("serve", f"reading {topics.events.name}")

    def run(self, stop: threading.Event) -> None:
        """Works until ``stop`` is set.

        Raises:
            BrokerError: something that waiting does not mend.
        """
        consumer = self._broker.member(self._topics.group("serve"), instance=f"serve-{self.node}")
        shares = OffsetTracker(consumer)
        try:
            shares.join(self._topics.events.name)
            self._reading(consumer, shares, stop)
        finally:
            shares.commit_now(_CLOSE_MS / 1000)
            try:
                consumer.close(timeout_ms=_CLOSE_MS)
            except KafkaError as error:
                log.warning("left without a word to the group: %r", error)

    def _reading(self, consumer: KafkaConsumer, shares: OffsetTracker, stop: threading.Event) -> None:
        commit_at = time.monotonic() + COMMIT_S
        pulse = ConsumerMetrics("serve", self._topics.events.name)
        while not stop.is_set():
            try:
                polled = consumer.poll(timeout_ms=_POLL_MS)
                records = polled.get(self._partition, [])
                if self._anew and self._partition in consumer.assignment():
                    self._anew = False
                    consumer.seek_to_beginning(self._partition)
                    continue
                for record in records:
                    share = shares.of(self._partition)
                    if share is None:
                        break  # somebody else's by now
                    share.progress.begin(record.offset)
                    if not self._take(record, stop):
                        return
                    share.progress.end(record.offset)
                if time.monotonic() >= commit_at:
                    commit_at = time.monotonic() + COMMIT_S
                    shares.commit_soon()
                pulse.beat(consumer, polled)
            except KafkaError as error:
                self._patience.bear(error, stop)
            else:
                self._patience.relieved()

    def _take(self, record: ConsumerRecord, stop: threading.Event) -> bool:
        """Hands a record on; False where it could not be before the end."""
        metrics.RECORDS_IN.labels("serve").inc()
        try:
            told = codec.decode_event_record(record)
        except codec.CodecError as error:
            metrics.record_refused("serve", error)
        else:
            if isinstance(told, Event):
                if not self._store(told, record, stop):
                    return False
            else:
                for camera, reached in told.items():
                    if self._footage is not None:
                        self._footage.advance(camera, reached)
                    self._serve.advance(camera, reached)
        return True

    def _store(self, event: Event, record: ConsumerRecord, stop: threading.Event) -> bool:
        began = time.perf_counter()
        while True:
            try:
                self._serve.upsert(event)
            except UnavailableError as error:
                metrics.log_throttled(
                    log,
                    "store",
                    "%s-%d at offset %d: event %s and all after it wait for the store: %s",
                    record.topic,
                    record.partition,
                    record.offset,
                    event.id,
                    error,
                )
                if stop.wait(RETRY_S):
                    return False
            else:
                metrics.reset_throttle(log, ["store"])
                metrics.RECORDS_OUT.labels("serve").inc()
                tracing.add_span("serve", codec.trace_context(record), time.perf_counter() - began, camera=event.camera)
                return True
