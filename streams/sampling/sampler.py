"""The sample stage: one camera's frames on the UTC grid, and a tick each second where there is nothing to show."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import cv2
from av.video.frame import VideoFrame

from lanewatch import metrics
from lanewatch.config.site import Camera, Site
from lanewatch.records import Box, Crop, Frame, Gap, Image, SceneMeasurements
from streams.sampling.crops import CropSelector
from streams.sampling.decode_gate import DecodeGate
from streams.sampling.fire_smoke import FireSmokeDetector
from streams.sampling.image_quality import ImageQuality, luma
from streams.sampling.motion_gate import Motion, MotionGate
from streams.sampling.stationary_regions import StationaryRegionDetector
from streams.sources.network_camera import NetworkCamera
from streams.sources.packet_reader import PacketReader, ReaderClosedError
from streams.sources.packets import Packet, SourceEvent, captured_at
from streams.sources.recording import Recording
from streams.sources.url import SourceUrl
from streams.video.frame_converter import FrameConverter, frame_size
from streams.video.packet_buffer import PacketBuffer
from streams.video.time_grid import index_of, slot_of

TICK_S = 1.0
"""How long a camera may be silent before it says that it has nothing to say."""

LOST_S = 2.0
"""How long no packet may come before a camera counts as lost: a step of capture time beyond this is a new epoch."""


class PacketSource(Protocol):
    """What gives a camera's packets until it ends or ``stop`` is set."""

    def packets(self, stop: threading.Event) -> Iterator[Packet | SourceEvent]: ...


class Sampler:
    """One camera's frames in the order of their capture; iterate it once.

    Frames are masked, at most ``camera.width`` wide, and stand for the slots of the grid of ``camera.rate.active``.
    While nothing moves they come at the idle rate. Ticks fill the silence: ``idle`` while nothing moves, ``lost`` while
    a live camera gives nothing, ``unreadable`` where a picture could not be decoded, ``ended`` at a recording's end
    (and at each end of a loop). Idle ticks come when the next look has shown that nothing happened, so that the frames
    of an approach, which are decoded afterwards, still come in order.

    Args:
        camera: what is sampled.
        time_zone: of the site, for a URL's clock without an offset.
        ring: where packets are kept for evidence.
        gate: False: every slot is sampled, moving or not. ``Scene.moved`` is there all the same.
        source: instead of what ``camera.url`` names.
        now: wall clock, seconds UTC.

    Raises:
        SourceError: the camera's URL cannot be understood; when iterated, that a recording cannot be played.
    """

    def __init__(
        self,
        camera: Camera,
        *,
        time_zone: str = "UTC",
        ring: PacketBuffer | None = None,
        gate: bool = True,
        source: PacketSource | None = None,
        live: bool | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        address = SourceUrl.parse(camera.url, time_zone=camera.time_zone or time_zone)
        # OpenCV's own threads cost more than they bring at these sizes; the process has a thread for each camera.
        cv2.setNumThreads(1)
        self.camera = camera.id
        self.live = address.live if live is None else live
        self._fps = camera.rate.active
        self._source = source or _source(camera, address, now)
        self._ring = ring
        self._now = now
        self._anchor = address.anchor if source is None else None
        self._joined = 0.0
        self._stop = threading.Event()
        self._feed: PacketReader | None = None
        self._attention = DecodeGate(camera.rate, gate, self._differs)
        self._gate = MotionGate(camera.masks)
        self._still = StationaryRegionDetector(camera.masks)
        self._look = ImageQuality(camera)
        self._flames = FireSmokeDetector(camera.masks)
        self._clock_s: float | None = None
        self._cropper = CropSelector()
        self._painter = FrameConverter(camera)
        self._size = (0, 0)
        self._most = camera.width
        self._epoch = 0
        self._index = -1
        self._told_at: float | None = None
        self._told_mono = 0.0
        self._frames = metrics.CAMERA_FRAMES.labels(camera.id)
        if ring is not None:
            ring.add(camera)

    def close(self) -> None:
        """Ends the iteration, from any thread."""
        self._stop.set()
        if self._feed is not None:
            self._feed.close()

    def __iter__(self) -> Iterator[Frame]:
        if self._anchor is not None:  # what it gives from the key frame before has been seen by others
            self._joined = self._anchor.capture(self._now())
        for frame in self._live() if self.live else self._recorded():
            if frame.image is not None:
                self._frames.inc()
            yield frame

    def _recorded(self) -> Iterator[Frame]:
        for item in self._source.packets(self._stop):
            if isinstance(item, Packet):
                self._keep(item)
            yield from self._take(item)

    def _live(self) -> Iterator[Frame]:
        self._feed = PacketReader(self.camera, self._source.packets, self._keep)
        self._feed.start()
        heard = time.monotonic()
        if self._stop.is_set():
            self._feed.close()
        while True:
            try:
                item = self._feed.get(TICK_S / 4)
            except ReaderClosedError:
                return
            if isinstance(item, Packet):
                heard = time.monotonic()
            if item is not None:
                yield from self._take(item)
            silent = time.monotonic()
            if silent - heard >= LOST_S and silent - self._told_mono >= TICK_S:
                yield from self._lost()

    def _keep(self, packet: Packet) -> None:
        if self._ring is not None:
            self._ring.append(self.camera, packet)

    def _take(self, item: Packet | SourceEvent) -> Iterator[Frame]:
        if isinstance(item, SourceEvent):
            yield from self._mark(item)
            return
        self._clock_s = item.clock_s
        if item.epoch != self._epoch:
            yield from self._pictures(self._attention.rest() if item.key else self._attention.catch_up())
            self._epoch, self._index, self._told_at = item.epoch, -1, None
            if item.codec.width:  # so that a tick before the first picture knows its size
                self._size = frame_size(item.codec.width, item.codec.height, self._most)
        yield from self._pictures(self._attention(item))

    def _pictures(self, pictures: Iterator[VideoFrame | SourceEvent]) -> Iterator[Frame]:
        for picture in pictures:
            if isinstance(picture, SourceEvent):
                yield from self._mark(picture, counted=False)
                continue
            at = captured_at(picture)
            if index_of(at, self._fps) > self._index and at >= self._joined:
                yield from self._picture(picture, at)

    def _mark(self, mark: SourceEvent, *, counted: bool = True) -> Iterator[Frame]:
        if mark.gap in {"ended", "lost"}:
            yield from self._pictures(self._attention.rest())
        if mark.gap == "ended":
            yield self._tick(self._after(), "ended")
        elif mark.gap == "unreadable":
            if not counted:
                metrics.DROPPED.labels("sample", self.camera, "unreadable").inc()
            at = mark.captured_at if mark.captured_at is not None else self._after()
            if index_of(at, self._fps) > self._index:
                yield self._tick(at, "unreadable")

    def _lost(self) -> Iterator[Frame]:
        """A camera that gives nothing: time goes on by the wall clock."""
        yield from self._pictures(self._attention.catch_up())
        if self._told_at is None:
            at = self._shown()
        else:
            at = max(self._told_at + time.monotonic() - self._told_mono, self._after())
        yield self._tick(at, "lost")

    def _after(self) -> float:
        """The grid's instant after the last record."""
        if self._told_at is None:
            return self._shown()
        return max((self._index + 1) / self._fps, self._told_at)

    def _shown(self) -> float:
        """Capture time of what the camera shows now."""
        return self._now() if self._anchor is None else self._anchor.capture(self._now())

    def _tick(self, at: float, gap: Gap) -> Frame:
        self._tell(at)
        return self._record(at, gap=gap)

    def _tell(self, at: float) -> None:
        self._told_at, self._told_mono = at, time.monotonic()
        self._index = index_of(at, self._fps)

    def _picture(self, picture: VideoFrame, at: float) -> Iterator[Frame]:
        # Half a second of room: a frame and a tick must not meet in one slot.
        while self._told_at is not None and at - self._told_at > TICK_S * 1.5:
            yield self._tick(self._told_at + TICK_S, "idle")
        yield self._see(picture, at)

    def _see(self, picture: VideoFrame, at: float) -> Frame:
        image = self._painter.image(picture)
        self._size = (image.shape[1], image.shape[0])
        small = self._gate.small(luma(picture))
        scale = image.shape[1] / small.shape[1]
        motion = self._gate.look(small, at, scale, self._still.keep)
        self._attention.looked(at, motion.active)
        if motion.relearned:
            self._still.reset()
        self._look.read(picture, small, self._gate.background, at)
        still = self._still.look(small, self._gate.foreground, self._gate.background, at, scale) if motion.warm else ()
        averages = (self._gate.foreground, self._gate.background)
        flames = self._flames.look(picture, small, averages, bool(motion.boxes), at, scale) if motion.warm else ()
        self._tell(at)
        return self._record(
            at,
            image=image,
            crops=self._crops(picture, image, motion, at),
            scene=self._look.scene(
                moved=motion.boxes, still=still, flames=flames, warm=motion.warm, clock_s=self._clock_s
            ),
        )

    def _crops(self, picture: VideoFrame, image: Image, motion: Motion, at: float) -> tuple[Crop, ...]:
        native = (picture.width, picture.height)
        chosen = self._cropper.choose(motion.boxes, self._size, native, at)
        if not chosen:
            return ()
        whole = image if native == self._size else self._painter.image(picture, native=True)
        return tuple(Crop(box, _cut(whole, box, native[0] / self._size[0])) for box in chosen)

    def _record(
        self,
        at: float,
        *,
        image: Image | None = None,
        crops: tuple[Crop, ...] = (),
        scene: SceneMeasurements | None = None,
        gap: Gap | None = None,
    ) -> Frame:
        return Frame(
            camera=self.camera,
            epoch=self._epoch,
            slot=slot_of(at, self._fps),
            captured_at=at,
            received_at=self._now(),
            width=self._size[0],
            height=self._size[1],
            image=image,
            crops=crops,
            profile=self._look.profile(at),
            scene=scene or SceneMeasurements(),
            gap=gap,
        )

    def _differs(self, picture: VideoFrame) -> bool:
        return self._gate.differs(self._gate.small(luma(picture)))


def _source(camera: Camera, address: SourceUrl, now: Callable[[], float]) -> PacketSource:
    if address.kind in {"file", "folder"} or not address.live:
        return Recording(camera.id, address, pause_s=2.0 / camera.rate.active, now=now)
    return NetworkCamera(camera.id, address, now=now)


def _cut(image: Image, box: Box, scale: float) -> Image:
    left, top, right, bottom = (round(value * scale) for value in box)
    return image[top:bottom, left:right].copy()


def make_sampler(camera: Camera, site: Site, ring: PacketBuffer | None = None) -> Sampler:
    """A camera's sampler. One whose idle rate is its active rate has every slot looked at, moving or not."""
    return Sampler(camera, time_zone=site.time_zone, ring=ring, gate=camera.rate.idle < camera.rate.active)
