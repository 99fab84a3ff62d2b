"""The cost of sampling a camera: 640x360, H.264 at 25 frames a second, 1 Mbit/s, on one core.

PROTOCOLS.md describes the scenes and the figures.

    python -m benchmarks.sampling [--json]
"""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks import command
from benchmarks.clips import NAME
from benchmarks.command import cpu_seconds
from benchmarks.datasets import encode, images
from lanewatch import demo
from lanewatch.config.site import Camera, SamplingRate
from lanewatch.records import Float64, Image
from streams.sampling.motion_gate import MotionGate
from streams.sampling.sampler import PacketSource, Sampler
from streams.sources.packets import Packet, SourceEvent
from streams.sources.recording import Recording
from streams.sources.url import SourceUrl
from streams.video.packet_buffer import PacketBuffer

SIZE = (640, 360)
FPS, KEY_FRAME_EVERY = 25, 50
BITS_PER_S = 1_000_000
"""A usual setting for the second stream of a camera."""
RUNS = 7
QUEUED = 8
"""Frames that wait for the detector, as in operation: so their memory is not returned and allocated anew."""
STILL_S = 40.0
IDLE_FROM_S = 10.0
"""From then on the still scene has the idle rate."""
WALK_FROM_S = 14.0


def main() -> None:
    """Prints the report."""
    parser = command.parser(__doc__, "the names above")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each; the least disturbed counts (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command.show(measure(Path(folder), options.runs), table, options.json)


def table(figures: dict[str, float]) -> str:
    """The figures as text."""
    bare, ratio = figures["bare_ms"], figures["bare_ratio"]
    return "\n".join(
        (
            f"moving scene, 5 of 25 frames a second, gate   {figures['active_ms']:6.1f} ms CPU a second of video",
            f"  bare decoding of the same                   {bare:6.1f} ms; ratio {ratio:.2f}",
            f"still scene, key frames only                  {figures['idle_ms']:6.2f} ms CPU a second of video",
            f"one measurement of the gate at 320x180        {figures['gate_ms']:6.3f} ms",
            f"first motion to active rate                   {figures['wake_s']:6.2f} s, "
            f"worst {figures['wake_worst_s']:.2f} s",
        )
    )


def measure(folder: Path, runs: int) -> dict[str, float]:
    """All figures; the clips are made in ``folder``."""
    clip = images(demo.CLIP)
    pictures = [np.asarray(cv2.resize(image[72:504], SIZE, interpolation=cv2.INTER_AREA), np.uint8) for image in clip]
    background: Float64 = np.median(np.stack(pictures[::16]), axis=0)
    moving = _encode(folder / "moving.mp4", pictures)
    still = _encode(folder / "still.mp4", noisy_pictures(background, STILL_S))
    seconds = len(pictures) / FPS
    bare, active, idle = [], [], []
    for _ in range(runs):
        bare.append(cpu_seconds(lambda: _decode(moving)) / seconds)
        active.append(cpu_seconds(lambda: deque(_sampler(moving), maxlen=QUEUED)) / seconds)
        idle.append(_idle_cost(still))
    waits = [_wake_up_s(folder, background, phase) for phase in np.arange(10) * 0.2 + 0.1]
    return {
        "active_ms": min(active) * 1e3,
        "bare_ms": min(bare) * 1e3,
        "bare_ratio": min(active) / min(bare),
        "idle_ms": min(idle) * 1e3,
        "gate_ms": _gate_s(pictures) * 1e3,
        "wake_s": float(np.mean(waits)),
        "wake_worst_s": float(np.max(waits)),
    }


def noisy_pictures(background: Float64, seconds: float, walk_from_s: float | None = None) -> Iterator[Image]:
    """A still picture with a sensor's noise; from ``walk_from_s`` on, a person of 24x72 pixels walks through it."""
    rng = np.random.default_rng(20)
    noise = [rng.normal(0.0, 2.0, background.shape) for _ in range(16)]
    for index in range(round(seconds * FPS)):
        picture = background + noise[rng.integers(16)]
        if walk_from_s is not None and index / FPS >= walk_from_s:
            left = 100 + round((index / FPS - walk_from_s) * 60)
            picture[200:272, left : left + 24] = (40, 35, 30)
        yield np.clip(picture, 0, 255).astype(np.uint8)


def _encode(path: Path, pictures: Iterable[Image]) -> Path:
    """Writes an H.264 clip as a camera does: no reordering, a key frame each ``KEY_FRAME_EVERY`` pictures."""
    rate = str(BITS_PER_S)
    options = {"preset": "veryfast", "g": str(KEY_FRAME_EVERY), "bf": "0", "sc_threshold": "0", "threads": "1"}
    options |= {"b": rate, "maxrate": rate, "bufsize": rate}
    return encode(path, pictures, SIZE, FPS, options)


def _decode(path: Path) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            pass


def _sampler(path: Path, source: PacketSource | None = None) -> Sampler:
    camera = Camera(
        id="camera",
        name=NAME,
        url=f"file://{path}?clock=2026-01-15T02:00:00+09:00",
        latitude=37.5,
        longitude=127.0,
        rate=SamplingRate(active=5.0, idle=0.5),
        masks=(((0.0, 0.0), (0.1, 0.0), (0.1, 0.1)),),
    )
    return Sampler(camera, packet_buffer=PacketBuffer(), source=source)


def _idle_cost(path: Path) -> float:
    """CPU seconds a second of video, from ``IDLE_FROM_S`` until shortly before the end."""
    times = []
    first = None
    for frame in _sampler(path):
        first = frame.captured_at if first is None else first
        if IDLE_FROM_S <= frame.captured_at - first <= STILL_S - 4.0:
            times.append((time.process_time(), frame.captured_at))
    (cpu_begin, begin), (cpu_end, end) = times[0], times[-1]
    return (cpu_end - cpu_begin) / (end - begin)


def _gate_s(pictures: list[Image]) -> float:
    gate = MotionGate()
    small = [gate.reduce(np.ascontiguousarray(picture[:, :, 1])) for picture in pictures[:100]]
    times = itertools.count(0.0, 0.2)

    def measure_all() -> None:
        for picture in small:
            gate.update(picture, next(times))

    return min(cpu_seconds(measure_all) for _ in range(10)) / len(small)


class _WatchedSource:
    """A recording that stores the capture time of its last packet."""

    def __init__(self, recording: Recording) -> None:
        self.captured_at = 0.0
        self._recording = recording

    def packets(self, stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        for item in self._recording.packets(stop):
            if isinstance(item, Packet):
                self.captured_at = item.captured_at
            yield item


def _wake_up_s(folder: Path, background: Float64, phase: float) -> float:
    path = _encode(folder / "wake.mp4", noisy_pictures(background, WALK_FROM_S + 6.0, WALK_FROM_S + phase))
    source = _WatchedSource(Recording("camera", SourceUrl.parse(f"file://{path}?clock=1970-01-02T00:00:00Z")))
    for frame in _sampler(path, source):
        if frame.scene.moved and frame.captured_at - 86_400 > WALK_FROM_S - 1.0:
            return source.captured_at - 86_400 - WALK_FROM_S - phase
    raise AssertionError("the walking person was not detected")


if __name__ == "__main__":
    main()
