"""The detect stage over Kafka: frames in, what is in them out, batches over all cameras that this worker has."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from lanewatch import metrics, tracing
from lanewatch.records import Detections, Frame
from streams.frame_queue import PrefetchQueue, QueuedFrame
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.producers import ReliableProducer
from streams.kafka.client.settings import FRAME_FETCH
from streams.kafka.client.topics import MAX_FRAME_BYTES, Topics
from streams.kafka.consumer.broker_clock import WRONG_S, BrokerClock
from streams.kafka.consumer.metrics import ConsumerMetrics
from streams.kafka.consumer.offset_tracker import AssignedPartition, OffsetTracker
from streams.kafka.consumer.retry import PAUSE_S, RetryPolicy
from streams.stages import Detect
from streams.video import jpeg

BATCH = 8
"""Pictures in one call of the detector on a CPU: 80 ms of work at 100 frames/s."""

WAIT_S = 0.04
"""How long the first picture of a batch waits for the others."""

MOST_AGE_S = 10.0
"""Older frames are not looked at: KISA's window for an alarm is over by then, and what is old delays what is new."""

PREFETCH_BYTES = 64_000_000
"""Of frames that have been read and wait. At 40 KB each two seconds of 200 cameras at 4 frames a second."""

MOST_UNACKNOWLEDGED = 4_096
"""Detections that the broker has not acknowledged; they weigh some KB each. Beyond, the detector waits."""

COMMIT_S = 1.0
"""A worker that is killed has so much of its work done again by its successor, at most."""

DECODERS = 2
"""Threads that unpack JPEG: 3 ms for a picture of 960x540, so that two of them feed 600 frames/s on cores of their
own."""

_POLL_MS = 50
_FLUSH_S = 5.0
_FOR_EVER_MS = 2**31 - 1

log = metrics.log("detect")


@dataclass(frozen=True, eq=False)
class _DetectJob:
    waiting: QueuedFrame[AssignedPartition]
    unpacked: Future[Frame] | None = None
    shed: bool = False

    @property
    def picture(self) -> bool:
        return self.unpacked is not None

    def frame(self) -> Frame:
        return self.waiting.frame if self.unpacked is None else self.unpacked.result()


class KafkaDetectWorker:
    """Reads frames, has them looked at in batches, sends what was seen on; in a group that shares the partitions.

    One thread reads and commits, one looks, a few unpack JPEG. A camera's records keep their order. What is read ahead
    is bounded in bytes. An offset is committed only after the broker has acknowledged what came of the frame, and all
    before it; a frame may be looked at twice, when a worker ends, and the watcher takes it once. What is none of ours
    is skipped and counted; of a frame that cannot be seen, or is too old, a record with a gap goes on.

    Args:
        broker: the site's.
        topics: the site's.
        detect: the stage.
        node: what this process is called.
        batch: pictures in one call.
        wait_s: how long the first of them waits for the others.
        most_age_s: frames that the broker has had for longer are shed: passed on as not looked at, and counted. None:
            none is, whatever the delay.
        prefetch_bytes: of frames that are read ahead.
        decoders: threads that unpack JPEG.
        clock: tells a frame's age.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        detect: Detect,
        *,
        node: str,
        batch: int = BATCH,
        wait_s: float = WAIT_S,
        most_age_s: float | None = MOST_AGE_S,
        prefetch_bytes: int = PREFETCH_BYTES,
        decoders: int = DECODERS,
        clock: BrokerClock | None = None,
    ) -> None:
        self.node = node
        self._broker = broker
        self._topics = topics
        self._detect = detect
        self._batch = batch
        self._wait_s = wait_s
        self._most_age_s = most_age_s
        self._prefetch_bytes = prefetch_bytes
        self._decoders = decoders
        self._clock = clock or BrokerClock()
        self._patience = RetryPolicy("detect", f"reading {topics.frames.name}")
        self._prefetch: PrefetchQueue[AssignedPartition] = PrefetchQueue()
        self._ahead: list[_DetectJob] = []
        self._ending = threading.Event()
        self._fatal: BaseException | None = None
        self._heard = False  # an acknowledgement: of a clock that has only seen a backlog nothing is known yet
        self._told_clock = False
        self._consumer: KafkaConsumer
        self._shares: OffsetTracker
        self._sender: ReliableProducer
        self._pool: ThreadPoolExecutor

    @property
    def partitions(self) -> frozenset[int]:
        """Those of the frames topic that this worker has now."""
        return self._shares.partitions if hasattr(self, "_shares") else frozenset()

    def run(self, stop: threading.Event) -> None:
        """Works until ``stop`` is set; what is in hand then is finished and committed.

        Raises:
            BrokerError: something that waiting does not mend.
        """
        self._consumer = self._broker.member(self._topics.group("detect"), **FRAME_FETCH)
        self._shares = OffsetTracker(self._consumer, lambda share: self._prefetch.drop(share))
        self._sender = ReliableProducer(self._broker, delivery_timeout_ms=_FOR_EVER_MS)
        self._pool = ThreadPoolExecutor(self._decoders, thread_name_prefix="jpeg")
        looking = threading.Thread(target=self._looking, name="detect", daemon=True)
        looking.start()
        try:
            self._shares.join(self._topics.frames.name)
            self._reading(stop)
        finally:
            self._ending.set()
            self._prefetch.close()
            looking.join()
            self._end()
        if self._fatal is not None:
            raise self._fatal

    # -- The thread that reads

    def _reading(self, stop: threading.Event) -> None:
        commit_at = time.monotonic() + COMMIT_S
        pulse = ConsumerMetrics("detect", self._topics.frames.name)
        while not stop.is_set() and self._fatal is None:
            try:
                polled = self._polled()
                for record in (record for records in polled.values() for record in records):
                    self._take(record)
                pulse.beat(self._consumer, polled)
                if time.monotonic() >= commit_at:
                    commit_at = time.monotonic() + COMMIT_S
                    self._shares.commit_soon()
                    self._tell()
            except KafkaError as error:
                self._patience.bear(error, stop)
            else:
                self._patience.relieved()

    def _polled(self) -> dict[TopicPartition, list[ConsumerRecord]]:
        """What came. Nothing while enough waits; the group goes on being told that this worker is well."""
        held = self._prefetch.bytes
        if held >= self._prefetch_bytes:
            self._consumer.pause(*self._consumer.assignment())
        elif held <= self._prefetch_bytes // 2 and self._consumer.paused():
            self._consumer.resume(*self._consumer.paused())
        if self._consumer.paused():
            time.sleep(_POLL_MS / 1000)  # the client does not wait where all is paused: it spins
        polled: dict[TopicPartition, list[ConsumerRecord]] = self._consumer.poll(
            timeout_ms=0 if self._consumer.paused() else _POLL_MS
        )
        return polled

    def _take(self, record: ConsumerRecord) -> None:
        share = self._shares.of(TopicPartition(record.topic, record.partition))
        if share is None:
            return  # taken away while it was on its way
        appended_at = record.timestamp / 1000
        self._clock.heard(appended_at)
        metrics.RECORDS_IN.labels("detect").inc()
        share.progress.begin(record.offset)
        try:
            frame = codec.decode_frame(record)
        except codec.CodecError as error:
            metrics.record_refused("detect", error)
            share.progress.end(record.offset)
            return
        if frame.packed is not None and frame.packed.size > MAX_FRAME_BYTES:
            size = frame.packed.size
            frame = msgspec.structs.replace(frame, packed=None, gap="unreadable")
            metrics.DROPPED.labels("detect", frame.camera, "too_large").inc()
            _say(record, frame, f"{size} bytes, at most {MAX_FRAME_BYTES}; passed on as not looked at")
        self._prefetch.put(QueuedFrame(share, record.offset, appended_at, frame, codec.trace_context(record)))

    def _tell(self) -> None:
        error = self._clock.error
        if error is not None and self._heard:
            metrics.CLOCK_DRIFT_SECONDS.labels("detect").set(error)
            if abs(error) > WRONG_S and not self._told_clock:
                self._told_clock = True
                log.warning(
                    "this machine's clock is %.0f s %s the broker's: synchronise it (frames' ages are told by the "
                    "broker's, so that none is shed for it)",
                    abs(error),
                    "ahead of" if error > 0 else "behind",
                )

    # -- The thread that looks

    def _looking(self) -> None:
        try:
            while not self._prefetch.closed:
                jobs = self._gather()
                if jobs:
                    self._ahead = self._begun(self._prefetch.take(self._batch, 0.0))  # unpacked while this one is seen
                    self._look(jobs)
        except Exception as error:  # noqa: BLE001 - handed on by run()
            self._fatal = self._fatal or error

    def _gather(self) -> list[_DetectJob]:
        """The next batch: full, or as it is when its first has waited long enough."""
        jobs, self._ahead = self._ahead, []
        while (room := self._batch - sum(job.picture for job in jobs)) > 0:
            left = jobs[0].waiting.arrived_at + self._wait_s - time.monotonic() if jobs else PAUSE_S
            more = self._prefetch.take(room, left)
            jobs += self._begun(more)
            if not more and (left <= 0 or not jobs or self._prefetch.closed):
                break
        return jobs

    def _begun(self, waiting: Sequence[QueuedFrame[AssignedPartition]]) -> list[_DetectJob]:
        return [self._begin(one) for one in waiting if one.share.live]

    def _begin(self, waiting: QueuedFrame[AssignedPartition]) -> _DetectJob:
        if not waiting.picture:
            return _DetectJob(waiting)
        if self._most_age_s is not None and self._clock.age(waiting.appended_at) > self._most_age_s:
            return _DetectJob(waiting, shed=True)
        return _DetectJob(waiting, self._pool.submit(jpeg.unpack, waiting.frame))

    def _look(self, jobs: list[_DetectJob]) -> None:
        looked = [job for job in jobs if not job.shed]
        metrics.BATCH_FRAMES.labels("detect").observe(sum(job.picture for job in looked))
        with tracing.batch_span("detect", [job.waiting.trace for job in looked]) as traces:
            found = self._detect([job.frame() for job in looked]) if looked else []
        seen = zip(found, traces, strict=True)
        for job in jobs:
            detections, trace = (_shed(job.waiting.frame), job.waiting.trace) if job.shed else next(seen)
            self._send(job.waiting, detections, trace)

    def _send(self, waiting: QueuedFrame[AssignedPartition], detections: Detections, trace: bytes | None) -> None:
        message = codec.encode_detections(detections).traced(trace)
        while waiting.share.live and self._fatal is None:
            if self._sender.pending >= MOST_UNACKNOWLEDGED:
                if self._ending.wait(_POLL_MS / 1000):
                    return  # not acknowledged, not committed: it is done again
                continue
            try:
                sent = self._sender.send(self._topics.detections.name, waiting.share.partition.partition, message)
            except KafkaError as error:
                self._patience.bear(error, self._ending)
                if self._ending.is_set():
                    return
            else:
                sent.add_callback(self._acknowledged, waiting)
                sent.add_errback(self._refused, waiting)
                return

    def _acknowledged(self, waiting: QueuedFrame[AssignedPartition], metadata: Any) -> None:
        self._clock.heard(metadata.timestamp / 1000)
        self._heard = True
        waiting.share.progress.end(waiting.offset)
        metrics.RECORDS_OUT.labels("detect").inc()
        metrics.observe_latency("detect", waiting.frame.received_at)

    def _refused(self, waiting: QueuedFrame[AssignedPartition], error: BaseException) -> None:
        if self._ending.is_set():
            return
        where = waiting.share.partition
        self._fatal = self._fatal or BrokerError(
            f"{self._topics.detections.name}-{where.partition}: what was seen in {where.topic}-{where.partition} at "
            f"offset {waiting.offset} was not taken: {type(error).__name__}: {error}"
        )

    # -- The end

    def _end(self) -> None:
        self._pool.shutdown()
        try:
            self._sender.flush(_FLUSH_S)
        except BrokerError as error:
            log.warning("what is not acknowledged is done again by who is next: %s", error)
        self._shares.commit_now(_FLUSH_S)
        self._sender.close(0.0)
        try:
            self._consumer.close(timeout_ms=int(_FLUSH_S * 1000))
        except KafkaError as error:
            log.warning("left without a word to the group: %r", error)


def _shed(frame: Frame) -> Detections:
    metrics.DROPPED.labels("detect", frame.camera, "shed").inc()
    return Detections.empty(frame, gap="shed")


def _say(record: ConsumerRecord, frame: Frame, what: str) -> None:
    metrics.log_throttled(
        log,
        "too_large",
        "%s-%d at offset %d, camera %s: %s",
        record.topic,
        record.partition,
        record.offset,
        frame.camera,
        what,
        camera=frame.camera,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
    )
