"""The detect stage over Kafka: reads frames, detects objects in batches over all cameras, sends detections."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import msgspec
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
from streams.kafka.consumer.offset_tracker import AssignedPartition
from streams.kafka.workers.worker_loop import WorkerLoop, format_position, record_position
from streams.stages import Detect
from streams.video import jpeg

BATCH = 8
"""Pictures in one call of the detector on a CPU: 80 ms of work at 100 frames/s."""

WAIT_S = 0.04
"""How long the first picture of a batch waits for the others."""

MAX_AGE_S = 10.0
"""Older frames are shed: KISA's window for an alarm is over by then, and old frames delay new ones."""

PREFETCH_BYTES = 64_000_000
"""Of frames that wait for the detector. At 40 KB each: two seconds of 200 cameras at 4 frames a second."""

MAX_UNACKNOWLEDGED = 4_096
"""Detections, of some KB each, that the broker has not acknowledged. Above that the detector waits."""

DECODERS = 2
"""Threads that decode JPEG. A picture of 960x540 takes 3 ms, so two threads feed 600 frames/s on cores of their own."""

_FLUSH_S = 5.0
_IDLE_S = 0.5
_BLOCKED_S = 0.05
_NO_TIMEOUT_MS = 2**31 - 1
_BLOCK_MS = 1_000


@dataclass(frozen=True, eq=False)
class _DetectJob:
    """A frame for the detector; ``decoded`` is None for a frame without a picture, and for one that is shed."""

    queued: QueuedFrame[AssignedPartition]
    decoded: Future[Frame] | None = None
    shed: bool = False

    def frame(self) -> Frame:
        return self.queued.frame if self.decoded is None else self.decoded.result()


class DetectWorker(WorkerLoop):
    """Reads frames, detects in batches, and sends the detections to the same partition number.

    One thread reads and commits, one calls the detector, a few decode JPEG. A camera's records keep their order. An
    offset is committed after the broker has acknowledged the detections of that frame and of all before it. A frame
    may be detected twice when a worker ends; the watch stage uses one of the two. Foreign records are skipped and
    counted. A frame that cannot be decoded, or is too old, gives detections with a gap.

    Args:
        batch: pictures in one call.
        wait_s: how long the first picture of a batch waits for the others.
        max_age_s: frames that the broker has had for longer are shed: passed on without detection, and counted. None
            sheds nothing.
        prefetch_bytes: of frames that wait for the detector. Above that, all partitions are paused.
        clock: measures a frame's age.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        detect: Detect,
        *,
        batch: int = BATCH,
        wait_s: float = WAIT_S,
        max_age_s: float | None = MAX_AGE_S,
        prefetch_bytes: int = PREFETCH_BYTES,
        decoders: int = DECODERS,
        clock: BrokerClock | None = None,
    ) -> None:
        super().__init__("detect", topics.frames, broker, topics, group="detect", consumer_settings=FRAME_FETCH)
        self._detect = detect
        self._batch = batch
        self._wait_s = wait_s
        self._max_age_s = max_age_s
        self._prefetch_bytes = prefetch_bytes
        self._clock = clock or BrokerClock()
        self._queue: PrefetchQueue[AssignedPartition] = PrefetchQueue()
        self._prefetched: list[_DetectJob] = []
        self._decoders = ThreadPoolExecutor(decoders, thread_name_prefix="jpeg")
        self._detecting = threading.Thread(target=self._detect_batches, name="detect", daemon=True)
        self._ending = threading.Event()
        self._failure: Exception | None = None
        self._acknowledged_any = False  # before that the clock may have seen an old backlog only
        self._drift_logged = False
        self._producer: ReliableProducer

    def run(self, stop: threading.Event) -> None:
        """Works until ``stop`` is set. The batch in process is finished and committed.

        Raises:
            BrokerError: the broker refuses; a retry cannot help.
            Exception: the detector failed.
        """
        self._detecting.start()
        try:
            super().run(stop)
        finally:
            self._stop_detecting()
        if self._failure is not None:
            raise self._failure

    # -- The thread that reads

    @property
    def _ended(self) -> bool:
        return super()._ended or self._failure is not None

    @property
    def _has_room(self) -> bool:
        """Reading resumes when half of the prefetched frames are processed."""
        return self._queue.bytes < self._prefetch_bytes // (2 if self._consumer.paused() else 1)

    def _open(self, resources: ExitStack) -> None:
        self._producer = ReliableProducer(self._broker, delivery_timeout_ms=_NO_TIMEOUT_MS, max_block_ms=_BLOCK_MS)
        resources.callback(self._producer.close, 0.0)

    def _release(self, revoked: Sequence[AssignedPartition]) -> None:
        for assigned in revoked:
            self._queue.drop(assigned)

    def _handle(self, record: ConsumerRecord, assigned: AssignedPartition) -> None:
        appended_at = record.timestamp / 1000
        self._clock.observe(appended_at)
        metrics.RECORDS_IN.labels("detect").inc()
        assigned.progress.start(record.offset)
        try:
            frame = codec.decode_frame(record)
        except codec.CodecError as error:
            metrics.record_refused("detect", error)
            assigned.progress.finish(record.offset)
            return
        if frame.packed is not None and frame.packed.size > MAX_FRAME_BYTES:
            frame = self._without_picture(frame, record)
        self._queue.put(QueuedFrame(assigned, record.offset, appended_at, frame, codec.trace_context(record)))

    def _without_picture(self, frame: Frame, record: ConsumerRecord) -> Frame:
        assert frame.packed is not None
        metrics.DROPPED.labels("detect", frame.camera, "too_large").inc()
        problem = "%s, camera %s: %d bytes, at most %d: passed on without detection"
        values = (format_position(record), frame.camera, frame.packed.size, MAX_FRAME_BYTES)
        position = record_position(record) | {"camera": frame.camera}
        metrics.log_throttled(self._log, "too_large", problem, *values, **position)
        return msgspec.structs.replace(frame, packed=None, gap="unreadable")

    def _work(self) -> None:
        drift = self._clock.drift
        if drift is None or not self._acknowledged_any:
            return
        metrics.CLOCK_DRIFT_SECONDS.labels("detect").set(drift)
        if abs(drift) > WRONG_S and not self._drift_logged:
            self._drift_logged = True
            self._log.warning(
                "This machine's clock is %.0f s %s the broker's: synchronise it (frames' ages use the broker's clock, "
                "so no frame is shed because of it)",
                abs(drift),
                "ahead of" if drift > 0 else "behind",
            )

    def _finish(self) -> None:
        self._stop_detecting()
        try:
            self._producer.flush(_FLUSH_S)
        except BrokerError as error:
            self._log.warning("The next worker repeats the frames that are not acknowledged: %s", error)

    def _stop_detecting(self) -> None:
        self._ending.set()
        self._queue.close()
        self._detecting.join()
        self._decoders.shutdown()

    # -- The thread that detects

    def _detect_batches(self) -> None:
        try:
            while not self._queue.closed:
                jobs = self._next_batch()
                if jobs:
                    self._prefetched = self._jobs(self._queue.take(self._batch, 0.0))  # decoded during this batch
                    self._process(jobs)
        except Exception as error:  # noqa: BLE001 - raised by run()
            self._failure = self._failure or error

    def _next_batch(self) -> list[_DetectJob]:
        """The next jobs: a full batch, or less when the first has waited for ``wait_s``."""
        jobs, self._prefetched = self._prefetched, []
        while (room := self._batch - sum(job.decoded is not None for job in jobs)) > 0:
            left_s = jobs[0].queued.arrived_at + self._wait_s - time.monotonic() if jobs else _IDLE_S
            queued = self._queue.take(room, left_s)
            jobs += self._jobs(queued)
            if not queued and (left_s <= 0 or not jobs or self._queue.closed):
                break
        return jobs

    def _jobs(self, queued: Sequence[QueuedFrame[AssignedPartition]]) -> list[_DetectJob]:
        return [self._job(frame) for frame in queued if not frame.owner.revoked]

    def _job(self, queued: QueuedFrame[AssignedPartition]) -> _DetectJob:
        if not queued.has_picture:
            return _DetectJob(queued)
        if self._max_age_s is not None and self._clock.age(queued.appended_at) > self._max_age_s:
            return _DetectJob(queued, shed=True)
        return _DetectJob(queued, self._decoders.submit(jpeg.unpack, queued.frame))

    def _process(self, jobs: list[_DetectJob]) -> None:
        detected = [job for job in jobs if not job.shed]
        metrics.BATCH_FRAMES.labels("detect").observe(sum(job.decoded is not None for job in detected))
        with tracing.batch_span("detect", [job.queued.trace for job in detected]) as traces:
            detections = self._detect([job.frame() for job in detected]) if detected else []
        results = zip(detections, traces, strict=True)
        for job in jobs:
            if job.shed:
                metrics.DROPPED.labels("detect", job.queued.frame.camera, "shed").inc()
                self._send(job.queued, Detections.empty(job.queued.frame, gap="shed"), job.queued.trace)
            else:
                self._send(job.queued, *next(results))

    def _send(self, queued: QueuedFrame[AssignedPartition], detections: Detections, trace: bytes | None) -> None:
        """Sends detections; gives up at the end, so that the next worker repeats the frame."""
        message = codec.encode_detections(detections).traced(trace)
        if self._ending.is_set() and self._broker.lacks(self._topics.detections.name):
            return
        while not queued.owner.revoked and self._failure is None:
            try:
                if self._producer.pending < MAX_UNACKNOWLEDGED:
                    sent = self._producer.send(self._topics.detections.name, queued.owner.number, message)
                    sent.add_callback(self._acknowledged, queued)
                    sent.add_errback(self._rejected, queued)
                    return
                self._ending.wait(_BLOCKED_S)
            except KafkaError as error:
                self._retry.failed(error, self._ending)
            if self._ending.is_set():
                return

    def _acknowledged(self, queued: QueuedFrame[AssignedPartition], metadata: Any) -> None:
        self._clock.observe(metadata.timestamp / 1000)
        self._acknowledged_any = True
        queued.owner.progress.finish(queued.offset)
        metrics.RECORDS_OUT.labels("detect").inc()
        metrics.observe_latency("detect", queued.frame.received_at)

    def _rejected(self, queued: QueuedFrame[AssignedPartition], error: BaseException) -> None:
        if self._ending.is_set():
            return
        partition = queued.owner.partition
        self._failure = self._failure or BrokerError(
            f"{self._topics.detections.name}-{partition.partition}: the detections of {partition.topic}-"
            f"{partition.partition} at offset {queued.offset} were rejected: {type(error).__name__}: {error}"
        )
