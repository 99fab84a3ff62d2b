"""The runner that joins the stages in one process: threads and bounded queues."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic

from lanewatch import metrics
from lanewatch.progress import Progress
from lanewatch.records import Detections, Event, Frame, Watermark
from streams.frame_queue import FrameQueue
from streams.local.correlation import LocalCorrelation
from streams.local.instrumented_watch import InstrumentedWatch
from streams.sampling import end_of_stream
from streams.stages import Correlate, Detect, S, Sample, Serve, UnavailableError, Watch

LIVE_BATCH = 8  # frames a call of the detector: 80 ms at 100 frames/s, in which the first one waits for the last
RECORDED_BATCH = 24
"""Recordings need no short delay: 24 frames a call give 90 frames/s, 8 give 83 (two cores, the demo's clip)."""
MAX_DETECTIONS = 64  # in the watch stage's queue: protects memory when the store does not accept events
_POLL_S = 0.2
_RETRY_S = 1.0
_LOG_EVERY_S = 60.0
_STOP_TIMEOUT_S = 5.0

log = metrics.log("memory")


class LocalRunner(Generic[S]):
    """Carries frames, detections and events between the stages.

    There is a thread for each camera, one for detection, and one for watching and serving. Bounded queues slow down
    the stage before a slow one. If they are full, a recording waits, and a live camera drops its oldest frames
    (``FrameQueue``).

    A failed camera does not affect the others. A record on which the watch stage fails is skipped. ``errors`` has the
    first error of each camera. If the store is unavailable, serving is retried; after ``stop``, for some seconds only.

    ``archive`` is called with each ``Detections`` before the watch stage, such as an archive's ``append``. ``batch`` is
    the number of frames in one call of the detector. None is ``LIVE_BATCH`` if any camera is live, or else
    ``RECORDED_BATCH``.
    """

    progress: Progress | None = None
    """Gets the seconds of footage that were watched, of all cameras together."""

    def __init__(
        self,
        samplers: Sequence[Sample],
        detect: Detect,
        watch: Watch[S],
        serve: Serve,
        *,
        correlate: Correlate[Any] | None = None,
        archive: Callable[[Detections], None] | None = None,
        batch: int | None = None,
    ) -> None:
        self.errors: dict[str, Exception] = {}
        self.frames = 0  # that were watched
        self._samplers = list(samplers)
        self._detect = detect
        self._watch = watch
        self._serve = serve
        cameras = [sampler.camera for sampler in self._samplers]
        self._correlation = None if correlate is None else LocalCorrelation(correlate, cameras)
        self._archive = archive
        live = any(sampler.live for sampler in self._samplers)
        self._batch = batch or (LIVE_BATCH if live else RECORDED_BATCH)
        self._frame_queue = FrameQueue()
        self._detections: queue.Queue[Detections | None] = queue.Queue(MAX_DETECTIONS)
        self._stopping = threading.Event()
        self._fatal: Exception | None = None

    def run(self) -> None:
        """Runs until every camera has ended or ``stop`` is called.

        Raises the error of a detector, archive or store. Those of cameras are in ``errors`` instead. On
        ``KeyboardInterrupt`` the cameras are stopped, and the frames so far are evaluated before it is raised again.
        """
        cameras = [
            threading.Thread(target=self._sample, args=(sampler,), name=f"sample-{sampler.camera}", daemon=True)
            for sampler in self._samplers
        ]
        stages = [
            threading.Thread(target=self._guard, args=(work,), name=work.__name__.strip("_"), daemon=True)
            for work in (self._detect_all, self._watch_all)
        ]
        for thread in (*stages, *cameras):
            thread.start()
        try:
            self._join(cameras, stages)
        except KeyboardInterrupt:
            self.stop()
            self._join(cameras, stages)
            raise
        if self._fatal is not None:
            raise self._fatal

    def _join(self, cameras: Sequence[threading.Thread], stages: Sequence[threading.Thread]) -> None:
        for thread in cameras:
            thread.join()
        self._frame_queue.close()
        for thread in stages:
            thread.join()

    def stop(self) -> None:
        """Ends the cameras. Their frames so far are still evaluated. May be called from any thread."""
        self._stopping.set()
        for sampler in self._samplers:
            sampler.close()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping.is_set()

    def wait(self) -> None:
        """Waits until ``stop`` is called, for example to show the events after recordings have ended."""
        self._stopping.wait()

    def _sample(self, sampler: Sample) -> None:
        def emit(frame: Frame) -> bool:
            return self._frame_queue.put(frame, live=sampler.live) and not self._stopping.is_set()

        end_of_stream.play_to_end(sampler, emit, self.errors)

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised again by run()
            self._fatal = self._fatal or error
            self._frame_queue.close()
            self.stop()

    def _detect_all(self) -> None:
        try:
            while not self._frame_queue.drained:
                frames = self._frame_queue.take(self._batch, _POLL_S)
                if not frames:
                    continue
                metrics.RECORDS_IN.labels("detect").inc(len(frames))
                metrics.BATCH_FRAMES.labels("detect").observe(sum(frame.image is not None for frame in frames))
                for detections in self._detect(frames):
                    self._put(detections)
        finally:
            self._put(None)

    def _put(self, detections: Detections | None) -> None:
        while self._fatal is None:
            try:
                self._detections.put(detections, timeout=_POLL_S)
            except queue.Full:
                continue
            return

    def _watch_all(self) -> None:
        states: dict[str, S] = {}
        watched_to: dict[str, float] = {}
        instrumented: InstrumentedWatch[S] = InstrumentedWatch()
        while (detections := self._next_detections()) is not None:
            camera = detections.camera
            self._append_to_archive(detections)
            state = states[camera] if camera in states else self._watch.start(camera)
            try:
                states[camera], events = instrumented.step(self._watch, state, detections)
            except Exception as error:  # noqa: BLE001 - an error of one camera must not end the others
                self._record_failed(detections, error)
                continue
            metrics.RECORDS_IN.labels("watch").inc()
            for event in [*events, *self._correlated(detections, events)]:
                self._deliver(event)
            pictures = int(detections.gap is None)
            reached = Watermark(
                detections.captured_at, detections.received_at, detections.gap, pictures, detections.scene.clock_s
            )
            self._serve.advance(camera, reached)
            self.frames += pictures
            if self.progress is not None:
                self.progress.add(max(0.0, detections.captured_at - watched_to.get(camera, detections.captured_at)))
                watched_to[camera] = detections.captured_at
        if self._correlation is not None and not self._fatal:
            for event in self._correlation.finish():
                self._deliver(event)

    def _correlated(self, detections: Detections, events: Sequence[Event]) -> Sequence[Event]:
        """The correlated events that a record causes. An error skips the record; the cameras' events continue."""
        if self._correlation is None:
            return ()
        try:
            return self._correlation.update(detections, events)
        except Exception:  # one record must not stop the correlation of all cameras
            metrics.DROPPED.labels("correlate", "", "failed").inc()
            log.exception("camera %s, slot %d: the correlation failed", detections.camera, detections.slot)
            return ()

    def _record_failed(self, detections: Detections, error: Exception) -> None:
        """Counts each failed record. Logs the first of a camera only, because the next ones may be the same."""
        metrics.DROPPED.labels("watch", detections.camera, "failed").inc()
        if detections.camera not in self.errors:
            self.errors[detections.camera] = error
            log.error("camera %s, slot %d: the watch stage failed", detections.camera, detections.slot, exc_info=error)

    def _append_to_archive(self, detections: Detections) -> None:
        if self._archive is None:
            return
        try:
            self._archive(detections)
        except OSError as error:
            metrics.DROPPED.labels("archive", detections.camera, "disk").inc()
            log.error("camera %s, slot %d: detections not archived: %s", detections.camera, detections.slot, error)

    def _deliver(self, event: Event) -> None:
        metrics.EVENTS.labels(event.kind, event.state).inc()
        logged_at = -math.inf
        deadline: float | None = None
        while True:
            try:
                self._serve.upsert(event)
            except UnavailableError as error:
                if self._stopping.is_set():
                    deadline = time.monotonic() + _STOP_TIMEOUT_S if deadline is None else deadline
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(_POLL_S)
                    continue
                if time.monotonic() - logged_at >= _LOG_EVERY_S:
                    logged_at = time.monotonic()
                    log.error("event %s and all later ones wait for the store: %s", event.id, error)
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
