"""The Kafka workers in one process, each in a thread, behind the interface of ``LocalRunner``.

So the contract tests of the local runner hold for the workers as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Generic, TypeVar

from kafka import TopicPartition
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError

from lanewatch.config.revisions import SiteRevisions
from lanewatch.config.site import Site
from lanewatch.records import Detections, Event, Frame, Watermark
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.producers import FrameProducer, ReliableProducer
from streams.kafka.client.topics import Topic, Topics, ensure_topics
from streams.kafka.workers.correlate_worker import CorrelateWorker
from streams.kafka.workers.detect_worker import MAX_AGE_S, DetectWorker
from streams.kafka.workers.event_store_worker import EventStoreWorker
from streams.kafka.workers.watch_worker import WatchWorker
from streams.kafka.workers.worker_loop import WorkerLoop
from streams.local.runner import LIVE_BATCH, RECORDED_BATCH
from streams.sampling import end_of_stream
from streams.stages import Correlate, Detect, Sample, Serve, Watch
from streams.video import jpeg

S = TypeVar("S")

POLL_S = 0.05
FLUSH_S = 30.0
CHECKPOINT_S = 0.2


class KafkaRunner(Generic[S]):
    """Carries frames, detections and events between the stages, each a worker over Kafka.

    Args:
        samplers: one for each camera.
        detect: the detect stage.
        watch: the watch stage.
        serve: takes the events.
        site: says where the broker is; its topics must be its own, and are made.
        state_type: of the watch stage's states.
        correlate: the correlation and the type of its state.
        archive: called with every ``Detections`` before the watch stage.
        batch: frames in one call of the detector; if None, fewer if a camera is live.
        max_age_s: of live cameras' frames; older ones are shed.
    """

    def __init__(
        self,
        samplers: Sequence[Sample],
        detect: Detect,
        watch: Watch[S],
        serve: Serve,
        *,
        site: Site,
        state_type: type[S],
        correlate: tuple[Correlate[Any], type[Any]] | None = None,
        archive: Callable[[Detections], None] | None = None,
        batch: int | None = None,
        max_age_s: float = MAX_AGE_S,
    ) -> None:
        self.errors: dict[str, Exception] = {}
        self._samplers = list(samplers)
        self._slots = {sampler.camera: slot for slot, sampler in enumerate(self._samplers)}
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._watch = _RecordingWatch(watch, self.errors, archive)
        self.revisions = SiteRevisions.from_site(site)
        broker = self._broker = Broker(site, "runner")
        topics = self._topics = Topics(site)
        ensure_topics(broker, topics)
        live = any(sampler.live for sampler in self._samplers)
        batch = batch or (LIVE_BATCH if live else RECORDED_BATCH)
        stateful: Any = {
            "node": "runner",
            "checkpoint_s": CHECKPOINT_S,
        }
        self._workers: dict[str, tuple[WorkerLoop, Topic]] = {
            "detect": (
                DetectWorker(broker, topics, detect, batch=batch, max_age_s=max_age_s if live else None),
                topics.frames,
            ),
            "watch": (
                WatchWorker(broker, topics, lambda _: self._watch, self, state_type=state_type, **stateful),
                topics.detections,
            ),
        }
        if correlate is not None:
            stage, correlate_type = correlate
            worker = CorrelateWorker(broker, topics, lambda _: stage, self, state_type=correlate_type, **stateful)
            self._workers["correlate"] = worker, topics.events
        self._workers["serve"] = EventStoreWorker(broker, topics, serve, node="runner"), topics.events

    def raise_if_failed(self) -> None:
        """Its site never fails."""

    @property
    def frames(self) -> int:
        """Pictures that the watch stage has processed."""
        return self._watch.pictures

    def run(self) -> None:
        """Runs until every camera has ended or ``stop`` is called, and all that they gave is stored.

        Raises:
            Exception: a worker failed; what breaks a camera is in ``errors``.
        """
        with ExitStack() as stack:
            producer = FrameProducer(self._broker, self._topics)
            stack.callback(producer.close)
            for name, (worker, _) in self._workers.items():
                stack.callback(self._start(name, worker))
            cameras = [
                threading.Thread(target=self._sample, args=(sampler, producer), daemon=True)
                for sampler in self._samplers
            ]
            for camera in cameras:
                camera.start()
            for camera in cameras:
                camera.join()
            producer.flush(FLUSH_S)
            for name, (_, source) in self._workers.items():
                if name == "correlate":
                    self._send_last_watermarks()
                self._wait_until_committed(name, source)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ends the cameras; what they gave already is still processed. May be called from any thread."""
        self._stopping.set()
        for sampler in self._samplers:
            sampler.close()

    def _start(self, name: str, worker: WorkerLoop) -> Callable[[], None]:
        """Starts a worker; calling the result stops it."""
        stop = threading.Event()

        def run() -> None:
            try:
                worker.run(stop)
            except BaseException as error:  # noqa: BLE001 - raised by KafkaRunner.run
                self._failure = self._failure or error
                self.stop()

        def end() -> None:
            stop.set()
            thread.join()

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return end

    def _sample(self, sampler: Sample, producer: FrameProducer) -> None:
        def send(frame: Frame) -> bool:
            producer.send(jpeg.pack(frame), self._slots[sampler.camera] % self._topics.partitions)
            return not self._stopping.is_set()

        end_of_stream.play_to_end(sampler, send, self.errors)

    def _send_last_watermarks(self) -> None:
        """Tells the correlation that all cameras have ended, so that it waits for none."""
        producer = ReliableProducer(self._broker)
        try:
            message = codec.encode_watermark("runner", 0, self._watch.ended)
            producer.send(self._topics.events.name, 0, message)
            producer.flush(FLUSH_S)
        finally:
            producer.close()

    def _wait_until_committed(self, stage: str, source: Topic) -> None:
        """Waits until a stage has committed all records of its topic; their results are acknowledged then."""
        group = self._topics.group(stage)
        admin, consumer = self._broker.admin(), self._broker.consumer()
        try:
            partitions = [
                TopicPartition(source.name, number) for number in consumer.partitions_for_topic(source.name) or ()
            ]
            while self._failure is None:
                ends = {partition: end for partition, end in consumer.end_offsets(partitions).items() if end}
                try:
                    committed = admin.list_group_offsets([group])[group] if ends else {}
                except (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError):
                    committed = {}
                behind = [p for p, end in ends.items() if p not in committed or committed[p].offset < end]
                if not behind:
                    return
                time.sleep(POLL_S)
        finally:
            admin.close()
            consumer.close()


class _RecordingWatch(Generic[S]):
    """The watch stage, with the errors and watermarks of its cameras."""

    def __init__(
        self, watch: Watch[S], errors: dict[str, Exception], archive: Callable[[Detections], None] | None
    ) -> None:
        self.pictures = 0
        self.ended: dict[str, Watermark] = {}
        self.start = watch.start
        self.skipped = watch.skipped
        self.counters = watch.counters
        self._watch = watch
        self._errors = errors
        self._archive = archive

    def step(self, state: S, detections: Detections) -> tuple[S, list[Event]]:
        """See ``streams.stages.Watch``."""
        if self._archive is not None:
            self._archive(detections)
        self.ended[detections.camera] = Watermark(detections.captured_at, detections.received_at, "ended")
        try:
            result = self._watch.step(state, detections)
        except Exception as error:
            self._errors.setdefault(detections.camera, error)
            raise
        self.pictures += detections.gap is None
        return result
