"""The sample stage: one camera's frames on the UTC grid, and a tick each second without a frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import cv2
from av.video.frame import VideoFrame

from lanewatch import metrics
from lanewatch.config.site import Camera, Site
from lanewatch.records import Crop, Frame, Gap, Image, SceneMeasurements
from streams.sampling.crops import CropSelector
from streams.sampling.decode_gate import DecodeGate
from streams.sampling.fire_smoke import FireSmokeDetector
from streams.sampling.image_quality import ImageQuality, luma_plane
from streams.sampling.motion_gate import Motion, MotionGate
from streams.sampling.stationary_regions import StationaryRegionDetector
from streams.sources.network_camera import NetworkCamera
from streams.sources.packet_reader import PacketReader, ReaderClosedError
from streams.sources.packets import Packet, SourceEvent, capture_time
from streams.sources.recording import Recording
from streams.sources.url import SourceUrl
from streams.video.display_geometry import DisplayGeometry
from streams.video.frame_converter import FrameConverter, frame_size
from streams.video.packet_buffer import PacketBuffer
from streams.video.time_grid import slot_index, slot_ms

TICK_S = 1.0  # longest time between two records of a camera
LOST_S = 2.0  # time without packets until a camera counts as lost


class PacketSource(Protocol):
    """Gives a camera's packets until it ends or ``stop`` is set."""

    def packets(self, stop: threading.Event) -> Iterator[Packet | SourceEvent]: ...


class Sampler:
    """One camera's frames in the order of capture. It can be iterated once.

    Frames are masked, at most ``camera.width`` wide, and stand for the slots of the grid of ``camera.rate.active``.
    Without motion they come at the idle rate. The other seconds have ticks. A tick's gap is the reason:

    - ``idle``: there is no motion. Such ticks come late, with the next frame, when it is known that nothing happened.
      So the frames of an approach, which are decoded afterwards, still come in order.
    - ``lost``: a live camera sends no packets.
    - ``unreadable``: a picture cannot be decoded.
    - ``ended``: the end of a recording or of its loop.

    A change of the display geometry in mid-stream starts a new epoch, as a break of the source does.

    Raises ``SourceError`` if the camera's URL is invalid, or, at iteration, if a recording cannot be played.
    """

    def __init__(
        self,
        camera: Camera,
        *,
        time_zone: str = "UTC",  # the site's; for a URL's clock without a UTC offset
        packet_buffer: PacketBuffer | None = None,
        gate: bool = True,  # False: every slot is sampled, even without motion; ``scene.moved`` is measured anyway
        source: PacketSource | None = None,  # replaces the source that ``camera.url`` names
        live: bool | None = None,  # the source is read in a thread and may lose packets; None: as the URL says
        now: Callable[[], float] = time.time,
    ) -> None:
        url = SourceUrl.parse(camera.url, time_zone=camera.time_zone or time_zone)
        # At these sizes, OpenCV's own threads cost more than they save; the process has a thread for each camera.
        cv2.setNumThreads(1)
        self.camera = camera.id
        self.live = url.live if live is None else live
        self._fps = camera.rate.active
        self._max_width = camera.width
        self._anchor = url.anchor if source is None else None
        recorded = url.kind in {"file", "folder"} or not url.live
        if source is None and recorded:
            source = Recording(camera.id, url, pause_s=2.0 / camera.rate.active, now=now)
        self._source = source or NetworkCamera(camera.id, url, now=now)
        self._packet_buffer = packet_buffer
        self._now = now
        self._joined_at = 0.0
        self._stop = threading.Event()
        self._reader: PacketReader | None = None
        self._decode_gate = DecodeGate(camera.rate, gate, self._has_motion)
        self._motion_gate = MotionGate(camera.masks)
        self._stationary_regions = StationaryRegionDetector(camera.masks)
        self._image_quality = ImageQuality(camera)
        self._fire_smoke = FireSmokeDetector(camera.masks)
        self._crop_selector = CropSelector()
        self._converter = FrameConverter(camera)
        self._clock_s: float | None = None
        self._size = (0, 0)
        self._epoch = 0
        self._source_epoch = 0
        self._geometry: DisplayGeometry | None = None
        self._slot_index = -1
        self._recorded_at: float | None = None  # capture time of the last record
        self._recorded_mono = 0.0  # the same by the monotonic clock
        self._frames = metrics.CAMERA_FRAMES.labels(camera.id)
        if packet_buffer is not None:
            packet_buffer.add(camera)

    def close(self) -> None:
        """Ends the iteration; may be called from any thread."""
        self._stop.set()
        if self._reader is not None:
            self._reader.close()

    def __iter__(self) -> Iterator[Frame]:
        if self._anchor is not None:  # earlier pictures, from the key frame on, are other samplers' frames
            self._joined_at = self._anchor.capture_time(self._now())
        for frame in self._read_live() if self.live else self._read_recorded():
            if frame.image is not None:
                self._frames.inc()
            yield frame

    def _read_recorded(self) -> Iterator[Frame]:
        for item in self._source.packets(self._stop):
            if isinstance(item, Packet):
                self._buffer(item)
            yield from self._process(item)

    def _read_live(self) -> Iterator[Frame]:
        self._reader = PacketReader(self.camera, self._source.packets, self._buffer)
        self._reader.start()
        received_mono = time.monotonic()
        if self._stop.is_set():
            self._reader.close()
        while True:
            try:
                item = self._reader.get(TICK_S / 4)
            except ReaderClosedError:
                return
            if isinstance(item, Packet):
                received_mono = time.monotonic()
            if item is not None:
                yield from self._process(item)
            now = time.monotonic()
            if now - received_mono >= LOST_S and now - self._recorded_mono >= TICK_S:
                yield from self._lost()

    def _buffer(self, packet: Packet) -> None:
        if self._packet_buffer is not None:
            self._packet_buffer.append(self.camera, packet)

    def _process(self, item: Packet | SourceEvent) -> Iterator[Frame]:
        if isinstance(item, SourceEvent):
            yield from self._source_event(item)
            return
        self._clock_s = item.clock_s
        if item.epoch != self._source_epoch:
            yield from self._decoded(self._decode_gate.flush() if item.key else self._decode_gate.decode_pending())
            self._source_epoch, self._geometry = item.epoch, None
            self._start_epoch(item.epoch)
            if item.codec.width:  # a tick before the first picture needs the size
                upright = item.codec.geometry.size(item.codec.width, item.codec.height)
                self._size = frame_size(*upright, self._max_width)
        yield from self._decoded(self._decode_gate.decode(item))

    def _decoded(self, items: Iterator[VideoFrame | SourceEvent]) -> Iterator[Frame]:
        for item in items:
            if isinstance(item, SourceEvent):
                metrics.DROPPED.labels("sample", self.camera, "unreadable").inc()
                yield from self._source_event(item)
                continue
            captured_at = capture_time(item)
            geometry = self._decode_gate.geometry
            if geometry != self._geometry:
                if self._geometry is not None:  # the camera was turned, or its pixels have another shape
                    self._start_epoch(round(captured_at * 1000))
                self._geometry = geometry
            if slot_index(captured_at, self._fps) > self._slot_index and captured_at >= self._joined_at:
                yield from self._idle_ticks(captured_at)
                yield self._sample(item, captured_at)

    def _start_epoch(self, number: int) -> None:
        self._epoch, self._slot_index, self._recorded_at = max(number, self._epoch + 1), -1, None

    def _source_event(self, event: SourceEvent) -> Iterator[Frame]:
        if event.gap in {"ended", "lost"}:
            yield from self._decoded(self._decode_gate.flush())
        if event.gap == "ended":
            yield self._record(self._next_slot_at(), gap="ended")
        elif event.gap == "unreadable":
            captured_at = event.captured_at if event.captured_at is not None else self._next_slot_at()
            if slot_index(captured_at, self._fps) > self._slot_index:
                yield self._record(captured_at, gap="unreadable")

    def _lost(self) -> Iterator[Frame]:
        """A tick for a camera without packets; its capture time follows the wall clock."""
        yield from self._decoded(self._decode_gate.decode_pending())
        if self._recorded_at is None:
            captured_at = self._capture_time_now()
        else:
            elapsed_s = time.monotonic() - self._recorded_mono
            captured_at = max(self._recorded_at + elapsed_s, self._next_slot_at())
        yield self._record(captured_at, gap="lost")

    def _idle_ticks(self, until: float) -> Iterator[Frame]:
        # Half a second of margin, so that a frame and a tick never have the same slot.
        while self._recorded_at is not None and until - self._recorded_at > TICK_S * 1.5:
            yield self._record(self._recorded_at + TICK_S, gap="idle")

    def _next_slot_at(self) -> float:
        """The grid's instant after the last record."""
        if self._recorded_at is None:
            return self._capture_time_now()
        return max((self._slot_index + 1) / self._fps, self._recorded_at)

    def _capture_time_now(self) -> float:
        """Capture time of the picture that the camera gives now."""
        return self._now() if self._anchor is None else self._anchor.capture_time(self._now())

    def _has_motion(self, picture: VideoFrame) -> bool:
        return self._motion_gate.has_motion(self._motion_gate.reduce(luma_plane(picture)))

    def _sample(self, picture: VideoFrame, captured_at: float) -> Frame:
        # step 1: mask and scale
        image = self._converter.convert(picture)
        self._size = (image.shape[1], image.shape[0])
        # step 2: motion
        gate = self._motion_gate
        small = gate.reduce(luma_plane(picture))
        scale = image.shape[1] / small.shape[1]
        motion = gate.update(small, captured_at, scale, self._stationary_regions.learning_mask)
        self._decode_gate.report_motion(captured_at, motion.active)
        # step 3: the other measurements
        if motion.relearned:
            self._stationary_regions.reset()
        fast, slow = gate.fast_average, gate.slow_average
        self._image_quality.update(picture, small, slow, captured_at)
        still = self._stationary_regions.update(small, fast, slow, captured_at, scale) if motion.warm else ()
        moved = bool(motion.boxes)
        flames = self._fire_smoke.update(picture, small, (fast, slow), moved, captured_at, scale) if motion.warm else ()
        # step 4: crops and record
        measured = {"moved": motion.boxes, "still": still, "flames": flames, "warm": motion.warm}
        scene = self._image_quality.scene(**measured, clock_s=self._clock_s)
        crops = self._crops(picture, image, motion, captured_at)
        return self._record(captured_at, image=image, crops=crops, scene=scene)

    def _crops(self, picture: VideoFrame, image: Image, motion: Motion, captured_at: float) -> tuple[Crop, ...]:
        native = (picture.width, picture.height)
        boxes = self._crop_selector.select(motion.boxes, self._size, native, captured_at)
        if not boxes:
            return ()
        whole = image if native == self._size else self._converter.convert(picture, native=True)
        scale = native[0] / self._size[0]
        crops = []
        for box in boxes:
            left, top, right, bottom = (round(value * scale) for value in box)
            crops.append(Crop(box, whole[top:bottom, left:right].copy()))
        return tuple(crops)

    def _record(
        self,
        captured_at: float,
        *,
        image: Image | None = None,
        crops: tuple[Crop, ...] = (),
        scene: SceneMeasurements | None = None,
        gap: Gap | None = None,
    ) -> Frame:
        self._recorded_at, self._recorded_mono = captured_at, time.monotonic()
        self._slot_index = slot_index(captured_at, self._fps)
        return Frame(
            camera=self.camera,
            epoch=self._epoch,
            slot=slot_ms(captured_at, self._fps),
            captured_at=captured_at,
            received_at=self._now(),
            width=self._size[0],
            height=self._size[1],
            image=image,
            crops=crops,
            profile=self._image_quality.profile(captured_at),
            scene=scene or SceneMeasurements(clock_s=self._clock_s if gap == "idle" else None),
            gap=gap,
        )


def make_sampler(camera: Camera, site: Site, packet_buffer: PacketBuffer | None = None) -> Sampler:
    """A camera's sampler. If the idle rate is the active rate, every slot is sampled, even without motion."""
    gate = camera.rate.idle < camera.rate.active
    return Sampler(camera, time_zone=site.time_zone, packet_buffer=packet_buffer, gate=gate)
