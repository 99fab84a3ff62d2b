"""The runner that joins the stages within one process over a real broker: the city's loops, a thread each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Generic, Protocol, TypeVar

from lanewatch import metrics
from lanewatch.config.revisions import SiteRevisions
from lanewatch.config.site import Site
from lanewatch.records import Detections, Event, Frame, Watermark
from streams.kafka import codec
from streams.kafka.client import topics as layout
from streams.kafka.client.connection import Broker
from streams.kafka.client.producers import FrameProducer, ReliableProducer
from streams.kafka.client.topics import Topics
from streams.kafka.workers.correlate_worker import CorrelateWorker
from streams.kafka.workers.detect_worker import MOST_AGE_S, KafkaDetectWorker
from streams.kafka.workers.serve_worker import ServeWorker
from streams.kafka.workers.watch_worker import WatchWorker
from streams.local.runner import LIVE_BATCH, RECORDED_BATCH
from streams.sampling import end_of_stream
from streams.stages import Correlate, Detect, Sample, Serve, UnavailableError, Watch
from streams.video import jpeg

S = TypeVar("S")

AHEAD = 2 * RECORDED_BATCH
"""Pictures of a recording that are on their way: one batch is looked at while the next one is fetched."""

WATCHED, CORRELATED = "@watched", "@correlated"
"""No cameras' ids: marks of our own, behind the last event. Whoever sees one has seen all that came before."""

_POLL_S = 0.05
_LAST_S = 5.0
_FLUSH_S = 30.0
_CHECKPOINT_S = 5.0

log = metrics.log("kafka")


class Loop(Protocol):
    """What all loops have."""

    def run(self, stop: threading.Event) -> None: ...


class KafkaRunner(Generic[S]):
    """Carries frames, detections and events between the stages as a city does, for cameras that are given.

    What ``LocalRunner`` promises holds here too: a recording waits for the detector, a live camera's pictures are
    shed when they are too old, a camera that fails ends alone, a record that cannot be judged is skipped alone, a
    store that is away is asked again. The broker keeps what is on its way.

    Args:
        samplers: One for each camera.
        detect: The detect stage.
        watch: The watch stage.
        serve: Takes the events.
        site: Says where the broker is; its topics must be nobody else's, and are made where they are missing.
        state_type: Of the watch stage's states.
        correlate: What spans cameras, and the type of its states; None: nothing does.
        keep: Called with every ``Detections`` before it is watched.
        batch: Frames in one call of the detector; if None, fewer where a camera is live.
        most_age_s: Of live cameras' frames; older ones are shed.
        folder: Where events wait while the broker is away; a temporary one if None.
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
        keep: Callable[[Detections], None] | None = None,
        batch: int | None = None,
        most_age_s: float = MOST_AGE_S,
        folder: Path | None = None,
    ) -> None:
        self.errors: dict[str, Exception] = {}
        self._samplers = list(samplers)
        self._seats = {sampler.camera: seat for seat, sampler in enumerate(self._samplers)}
        self._stopping = threading.Event()
        self._broken = threading.Event()
        self._fatal: BaseException | None = None
        live = any(sampler.live for sampler in self._samplers)
        self._judging = _Judging(watch, self.errors, keep)
        self._serving = _Serving(serve)
        self._spanning: _Spanning | None = None
        folder = folder or Path(mkdtemp(prefix="lanewatch-runner-"))
        fixed = _Fixed(SiteRevisions.of(site))
        self._broker = Broker(site, "runner")
        self._topics = Topics(site)
        layout.ensure_topics(self._broker, self._topics)
        self._loops: dict[str, Loop] = {
            "detect": KafkaDetectWorker(
                self._broker,
                self._topics,
                detect,
                node="runner",
                batch=batch or (LIVE_BATCH if live else RECORDED_BATCH),
                most_age_s=most_age_s if live else None,
            ),
            "watch": WatchWorker(
                self._broker,
                self._topics,
                lambda _: self._judging,
                fixed,
                node="runner",
                state_type=state_type,
                folder=folder,
                checkpoint_s=_CHECKPOINT_S,
            ),
            "serve": ServeWorker(self._broker, self._topics, self._serving, node="runner"),
        }
        if correlate is not None:
            spanning = self._spanning = _Spanning(correlate[0], self._judging)
            self._loops["correlate"] = CorrelateWorker(
                self._broker,
                self._topics,
                lambda _: spanning,
                fixed,
                node="runner",
                state_type=correlate[1],
                folder=folder,
                checkpoint_s=_CHECKPOINT_S,
            )

    @property
    def frames(self) -> int:
        """Pictures that have been judged."""
        return self._judging.pictures

    def run(self) -> None:
        """Runs until every camera has ended or ``stop`` is called, and all that they gave has been served.

        Raises:
            Exception: what broke the detector or a loop; what breaks a camera is in ``errors``.
        """
        with ExitStack() as stack:
            sender = FrameProducer(self._broker, self._topics, acknowledged=self._judging.expect)
            stack.callback(sender.close)
            threads = {name: _Thread(name, loop, self._break) for name, loop in self._loops.items()}
            for thread in threads.values():
                thread.start()
                stack.callback(thread.end)
            feeding = [
                threading.Thread(target=self._feed, args=(one, sender), name=f"sample-{one.camera}", daemon=True)
                for one in self._samplers
            ]
            for one in feeding:
                one.start()
            for one in feeding:
                one.join()
            sender.flush(_FLUSH_S)
            self._wind_up(threads)
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
        """Waits until ``stop`` is called."""
        self._stopping.wait()

    def _wind_up(self, threads: Mapping[str, _Thread]) -> None:
        """Ends stage after stage, each when it has had all that the one before gave."""
        while not self._broken.is_set() and not self._judging.done:
            self._broken.wait(_POLL_S)
        threads["detect"].end()
        threads["watch"].end()
        if self._spanning is not None:
            self._mark(WATCHED)
            while not self._broken.is_set() and not self._spanning.done.wait(_POLL_S):
                continue
            threads["correlate"].end()
        self._mark(CORRELATED)
        gives_up: float | None = None
        while not self._broken.is_set() and not self._serving.done.wait(_POLL_S):
            away = self._serving.away
            gives_up = None if away is None or not self.stopped else gives_up or time.monotonic() + _LAST_S
            if away is not None and gives_up is not None and time.monotonic() >= gives_up:
                self._break(away)
        threads["serve"].end()

    def _mark(self, name: str) -> None:
        if self._broken.is_set():
            return
        sender = ReliableProducer(self._broker)
        try:
            sender.send(
                self._topics.events.name, 0, codec.encode_watermark(name, 0, {name: Watermark(0.0, time.time())})
            )
            sender.flush(_FLUSH_S)
        finally:
            sender.close()

    def _break(self, error: BaseException) -> None:
        self._fatal = self._fatal or error
        self._broken.set()
        self.stop()

    def _feed(self, sampler: Sample, sender: FrameProducer) -> None:
        partition = self._seats[sampler.camera] % self._topics.partitions

        def hand_on(frame: Frame) -> bool:
            if not sampler.live and frame.image is not None:
                self._judging.wait_for_room(sampler.camera, self._broken)
            if not self._broken.is_set():
                sender.send(jpeg.pack(frame), partition)
            return not (self._broken.is_set() or self._stopping.is_set())

        end_of_stream.play_to_end(sampler, hand_on, self.errors)


class _Fixed:
    """A site that never changes."""

    def __init__(self, revisions: SiteRevisions) -> None:
        self.revisions = revisions


class _Thread:
    """A loop in a thread of its own; what it raises is told at once."""

    def __init__(self, name: str, loop: Loop, broke: Callable[[BaseException], None]) -> None:
        self._loop = loop
        self._broke = broke
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Ends it as planned, and waits for that."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run(self._stop)
        except BaseException as error:  # noqa: BLE001 - handed on by the runner
            self._broke(error)


class _Judging(Generic[S]):
    """The watch stage, and what has come to it: that is how the runner knows that nothing is on its way any more."""

    def __init__(
        self, watch: Watch[S], errors: dict[str, Exception], keep: Callable[[Detections], None] | None
    ) -> None:
        self.pictures = 0
        self.ended: dict[str, Watermark] = {}
        self._watch = watch
        self._errors = errors
        self._keep = keep
        self._changed = threading.Condition()
        self._expected: dict[str, tuple[int, int]] = {}
        self._came: dict[str, tuple[int, int]] = {}
        self._ahead: dict[str, int] = {}

    def expect(self, camera: str, epoch: int, slot: int) -> None:
        """The broker has a record of a camera."""
        with self._changed:
            self._expected[camera] = (epoch, slot)

    def wait_for_room(self, camera: str, broken: threading.Event) -> None:
        """Waits until not too many pictures of a recording are on their way."""
        with self._changed:
            while self._ahead.get(camera, 0) >= AHEAD and not broken.is_set():
                self._changed.wait(_POLL_S)
            self._ahead[camera] = self._ahead.get(camera, 0) + 1

    @property
    def done(self) -> bool:
        """Whether all that the broker has has come."""
        with self._changed:
            return self._came == self._expected

    def start(self, camera: str) -> S:
        """See ``streams.stages.Watch``."""
        return self._watch.start(camera)

    def step(self, state: S, detections: Detections) -> tuple[S, list[Event]]:
        """See ``streams.stages.Watch``."""
        camera = detections.camera
        try:
            self._archive(detections)
            result = self._watch.step(state, detections)
        except Exception as error:
            self._errors.setdefault(camera, error)
            raise
        finally:
            with self._changed:
                self._came[camera] = (detections.epoch, detections.slot)
                self.ended[camera] = Watermark(detections.captured_at, detections.received_at, "ended")
                if detections.gap in (None, "shed", "failed", "unreadable"):
                    self._ahead[camera] = self._ahead.get(camera, 0) - 1
                self._changed.notify_all()
        self.pictures += detections.gap is None
        return result

    def skipped(self, state: S) -> Mapping[str, int]:
        """See ``streams.stages.Watch``."""
        return self._watch.skipped(state)

    def noted(self, state: S) -> Mapping[str, int]:
        """See ``streams.stages.Watch``."""
        return self._watch.noted(state)

    def _archive(self, detections: Detections) -> None:
        if self._keep is None:
            return
        try:
            self._keep(detections)
        except OSError as error:
            metrics.DROPPED.labels("archive", detections.camera, "disk").inc()
            log.error("camera %s, slot %d: detections not kept: %s", detections.camera, detections.slot, error)


class _Spanning:
    """The correlation, up to the runner's mark; then every camera has ended, and what is left is said."""

    def __init__(self, correlate: Correlate[Any], judging: _Judging[Any]) -> None:
        self.done = threading.Event()
        self._correlate = correlate
        self._judging = judging

    def start(self) -> Any:
        """See ``streams.stages.Correlate``."""
        return self._correlate.start()

    def step(self, state: Any, event: Event) -> tuple[Any, list[Event]]:
        """See ``streams.stages.Correlate``."""
        return self._correlate.step(state, event)

    def advance(self, state: Any, reached: Mapping[str, Watermark]) -> tuple[Any, list[Event]]:
        """See ``streams.stages.Correlate``."""
        if WATCHED in reached:
            self.done.set()  # the loop sends what comes of it before it ends
            reached = self._judging.ended
        return self._correlate.advance(state, reached)


class _Serving:
    """The serve stage, up to the runner's last mark."""

    def __init__(self, serve: Serve) -> None:
        self.done = threading.Event()
        self.away: UnavailableError | None = None
        self._serve = serve

    def upsert(self, event: Event) -> None:
        """See ``streams.stages.Serve``."""
        try:
            self._serve.upsert(event)
        except UnavailableError as error:
            self.away = error
            raise
        self.away = None

    def advance(self, camera: str, reached: Watermark) -> None:
        """See ``streams.stages.Serve``."""
        if camera == CORRELATED:
            self.done.set()
        elif camera != WATCHED:
            self._serve.advance(camera, reached)
