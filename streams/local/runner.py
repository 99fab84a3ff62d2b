"""The runner that joins the stages within one process: threads and bounded queues."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from lanewatch import metrics
from lanewatch.records import Detections, Event, Frame, Watermark
from streams.frame_queue import FrameQueue
from streams.local.correlation import LocalCorrelation
from streams.local.instrumented_watch import InstrumentedWatch
from streams.sampling import end_of_stream
from streams.stages import Correlate, Detect, Sample, Serve, UnavailableError, Watch

S = TypeVar("S")

LIVE_BATCH = 8
"""Frames in one call of the detector, 80 ms of work at 100 frames/s: the first of them waits for the last."""

RECORDED_BATCH = 24
"""With recordings alone nobody waits. Between two calls the detector's streams run dry: 24 frames a call gave 90
frames/s where 8 gave 83 (two cores, the demo's clip)."""

UNWATCHED = 64
"""Detections that wait for the watcher. They are small; the bound only keeps a stuck store from filling memory."""

_POLL_S = 0.2
_RETRY_S = 1.0
_TELL_S = 60.0
_LAST_S = 5.0

log = metrics.log("memory")


class LocalRunner(Generic[S]):
    """Carries frames, detections and events between the stages.

    One thread for each camera, one for the detector, one for the watchers and what takes their events. What is
    slower than what feeds it makes it wait; at the head of the line a recording waits and a live camera sheds its
    oldest waiting pictures (see ``FrameQueue``). A camera that fails ends alone, and a record that cannot be judged is
    skipped alone: the first error of each camera is in ``errors``, and the others go on. While the store cannot take
    an event the watcher waits and tries again; told to stop meanwhile, it gives up after some seconds, and says so.

    Args:
        samplers: One for each camera.
        detect: The detect stage.
        watch: The watch stage.
        serve: Takes the events.
        correlate: What spans cameras; None: nothing does.
        keep: Called with every ``Detections`` before it is watched, such as an archive's ``append``.
        batch: Frames in one call of the detector; if None, fewer where a camera is live.
    """

    def __init__(
        self,
        samplers: Sequence[Sample],
        detect: Detect,
        watch: Watch[S],
        serve: Serve,
        *,
        correlate: Correlate[Any] | None = None,
        keep: Callable[[Detections], None] | None = None,
        batch: int | None = None,
    ) -> None:
        self.errors: dict[str, Exception] = {}
        self.frames = 0
        self._samplers = list(samplers)
        self._detect = detect
        self._watch = watch
        self._serve = serve
        cameras = [sampler.camera for sampler in self._samplers]
        self._correlating = None if correlate is None else LocalCorrelation(correlate, cameras)
        self._keep = keep
        live = any(sampler.live for sampler in self._samplers)
        self._batch = batch or (LIVE_BATCH if live else RECORDED_BATCH)
        self._backlog = FrameQueue()
        self._detections: queue.Queue[Detections | None] = queue.Queue(UNWATCHED)
        self._stopping = threading.Event()
        self._fatal: Exception | None = None

    def run(self) -> None:
        """Runs until every camera has ended or ``stop`` is called.

        Raises:
            Exception: what broke the detector, the archive or the store; what breaks a camera is in ``errors``.
        """
        cameras = [
            threading.Thread(target=self._sample, args=(sampler,), name=f"sample-{sampler.camera}", daemon=True)
            for sampler in self._samplers
        ]
        stages = [
            threading.Thread(target=self._guard, args=(work,), name=work.__name__.strip("_"), daemon=True)
            for work in (self._detecting, self._watching)
        ]
        for thread in (*stages, *cameras):
            thread.start()
        for thread in cameras:
            thread.join()
        self._backlog.close()
        for thread in stages:
            thread.join()
        if self._fatal is not None:
            raise self._fatal

    def stop(self) -> None:
        """Ends the cameras; what they have already given is still scored. May be called from any thread."""
        self._stopping.set()
        for sampler in self._samplers:
            sampler.close()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping.is_set()

    def wait(self) -> None:
        """Waits until ``stop`` is called, such as when recordings have been played and only their events are shown."""
        self._stopping.wait()

    def _sample(self, sampler: Sample) -> None:
        def hand_on(frame: Frame) -> bool:
            return self._backlog.put(frame, live=sampler.live) and not self._stopping.is_set()

        end_of_stream.play_to_end(sampler, hand_on, self.errors)

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - handed on by run()
            self._fatal = self._fatal or error
            self._backlog.close()
            self.stop()

    def _detecting(self) -> None:
        try:
            while not self._backlog.drained:
                frames = self._backlog.take(self._batch, _POLL_S)
                if not frames:
                    continue
                metrics.RECORDS_IN.labels("detect").inc(len(frames))
                metrics.BATCH_FRAMES.labels("detect").observe(sum(frame.image is not None for frame in frames))
                for detections in self._detect(frames):
                    self._hand_on(detections)
        finally:
            self._hand_on(None)

    def _hand_on(self, detections: Detections | None) -> None:
        while self._fatal is None:
            try:
                self._detections.put(detections, timeout=_POLL_S)
            except queue.Full:
                continue
            return

    def _watching(self) -> None:
        states: dict[str, S] = {}
        judging: InstrumentedWatch[S] = InstrumentedWatch()
        while (detections := self._next_detections()) is not None:
            camera = detections.camera
            self._archive(detections)
            state = states[camera] if camera in states else self._watch.start(camera)
            try:
                states[camera], events = judging.step(self._watch, state, detections)
            except Exception as error:  # noqa: BLE001 - a record that breaks one camera's fold must not end the others
                self._unjudged(detections, error)
                continue
            metrics.RECORDS_IN.labels("watch").inc()
            if self._correlating is not None:
                events = [*events, *self._correlating.take(detections, events)]
            for event in events:
                self._deliver(event)
            self._serve.advance(
                camera,
                Watermark(detections.captured_at, detections.received_at, detections.gap, int(detections.gap is None)),
            )
            self.frames += detections.gap is None
        for event in () if self._correlating is None or self._fatal else self._correlating.finish():
            self._deliver(event)

    def _unjudged(self, detections: Detections, error: Exception) -> None:
        """Counts every record that could not be judged; tells of a camera's first, since the next may be the same."""
        metrics.DROPPED.labels("watch", detections.camera, "failed").inc()
        if detections.camera not in self.errors:
            self.errors[detections.camera] = error
            log.error("camera %s, slot %d: not judged", detections.camera, detections.slot, exc_info=error)

    def _archive(self, detections: Detections) -> None:
        if self._keep is None:
            return
        try:
            self._keep(detections)
        except OSError as error:
            metrics.DROPPED.labels("archive", detections.camera, "disk").inc()
            log.error("camera %s, slot %d: detections not kept: %s", detections.camera, detections.slot, error)

    def _deliver(self, event: Event) -> None:
        metrics.EVENTS.labels(event.kind, event.state).inc()
        told = -math.inf
        gives_up: float | None = None
        while True:
            try:
                self._serve.upsert(event)
            except UnavailableError as error:
                if self._stopping.is_set():
                    gives_up = time.monotonic() + _LAST_S if gives_up is None else gives_up
                    if time.monotonic() >= gives_up:
                        raise
                    time.sleep(_POLL_S)
                    continue
                if time.monotonic() - told >= _TELL_S:
                    told = time.monotonic()
                    log.error("event %s and all after it wait for the store: %s", event.id, error)
                self._stopping.wait(_RETRY_S)
            else:
                return

    def _next_detections(self) -> Detections | None:
        while self._fatal is None:
            try:
                return self._detections.get(timeout=_POLL_S)
            except queue.Empty:
                continue
        return None
