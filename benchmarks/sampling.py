"""What it costs to sample a camera: 640x360, H.264 at 25 frames a second, a key frame each two seconds, 1 Mbit/s, on
one core.

The moving scene is the bundled clip, cut to 16:9, scaled to 640x360 and shown at 25 frames a second instead of 7: real
walkers and a real sensor's noise, at more than three times a walker's pace. The still scene is its median picture with
noise of two grey levels; in the scene that measures the waking somebody begins to walk through it at ten different
times after a key frame. All three are encoded here, in a temporary folder.

``active_ms`` is CPU time for a second of the moving scene, sampled at 5 a second with the gate, masks and packet ring
as in operation, JPEG apart; ``bare_ms`` is a plain loop over PyAV's decoder in one thread, in the same run, and
``bare_ratio`` their ratio. ``idle_ms`` is a second of the still scene after it went to the idle rate. Runs alternate
and the least disturbed one of each counts. ``gate_ms`` is one look of the gate at 320x180. ``wake_s`` is stream time
from the first motion to the packet that brought the active rate, mean and worst; the frames between come too.

    python -m benchmarks.sampling [--json]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from lanewatch import demo
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera, SamplingRate
from lanewatch.records import Float64, Image
from streams.sampling.motion_gate import MotionGate
from streams.sampling.sampler import PacketSource, Sampler
from streams.sources.packets import Packet, SourceEvent
from streams.sources.recording import Recording
from streams.sources.url import SourceUrl
from streams.video.packet_buffer import PacketBuffer

SIZE = (640, 360)
FPS, GOP = 25, 50
BITS_PER_S = 1_000_000
"""What the second stream of a camera is commonly set to."""
RUNS = 7
QUEUED = 8
"""Frames that wait for the detector, as in operation: memory is not given back and fetched anew for each."""
STILL_S = 40.0
AWAKE_S = 10.0
"""By then the still scene is left to the idle rate."""
WALK_S = 14.0


def main() -> None:
    """Prints the table, or with ``--json`` the object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object with the names above")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each; the least disturbed counts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments.runs)
    if arguments.json:
        print(json.dumps(figures))
        return
    print(f"moving scene, 5 of 25 frames a second, gate   {figures['active_ms']:6.1f} ms CPU a second of video")
    print(
        f"  bare decoding of the same                   {figures['bare_ms']:6.1f} ms; ratio {figures['bare_ratio']:.2f}"
    )
    print(f"still scene, key frames only                  {figures['idle_ms']:6.2f} ms CPU a second of video")
    print(f"one look of the gate at 320x180               {figures['gate_ms']:6.3f} ms")
    worst = figures["wake_worst_s"]
    print(f"first motion to active rate                   {figures['wake_s']:6.2f} s, worst {worst:.2f} s")


def measure(folder: Path, runs: int) -> dict[str, float]:
    """All figures; clips are made in ``folder``."""
    pictures = [_scaled(image) for image in _decoded(demo.CLIP)]
    wall: Float64 = np.median(np.stack(pictures[::16]), axis=0)
    moving = encode(folder / "moving.mp4", pictures)
    still = encode(folder / "still.mp4", noisy(wall, STILL_S))
    seconds = len(pictures) / FPS
    bare, active, idle = [], [], []
    for _ in range(runs):
        bare.append(_cpu(lambda: _bare(moving)) / seconds)
        active.append(_cpu(lambda: _sample(moving)) / seconds)
        idle.append(_idle(still))
    waits = [_wake(folder, wall, phase) for phase in np.arange(10) * 0.2 + 0.1]
    return {
        "active_ms": min(active) * 1e3,
        "bare_ms": min(bare) * 1e3,
        "bare_ratio": min(active) / min(bare),
        "idle_ms": min(idle) * 1e3,
        "gate_ms": _gate(pictures) * 1e3,
        "wake_s": float(np.mean(waits)),
        "wake_worst_s": float(np.max(waits)),
    }


def noisy(wall: Float64, seconds: float, walk_at: float | None = None) -> Iterator[Image]:
    """A still picture with a sensor's noise; somebody of 24x72 pixels walks into it at ``walk_at`` seconds."""
    rng = np.random.default_rng(20)
    grains = [rng.normal(0.0, 2.0, wall.shape) for _ in range(16)]
    for index in range(round(seconds * FPS)):
        picture = wall + grains[rng.integers(16)]
        if walk_at is not None and index / FPS >= walk_at:
            left = 100 + round((index / FPS - walk_at) * 60)
            picture[200:272, left : left + 24] = (40, 35, 30)
        yield np.clip(picture, 0, 255).astype(np.uint8)


def encode(path: Path, images: Iterable[Image]) -> Path:
    """Writes an H.264 clip as a camera would: no reordering, a key frame each ``GOP`` pictures."""
    rate = str(BITS_PER_S)
    options = {"preset": "veryfast", "g": str(GOP), "bf": "0", "sc_threshold": "0", "threads": "1"}
    options |= {"maxrate": rate, "bufsize": rate}
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = BITS_PER_S
        for index, image in enumerate(images):
            picture = av.VideoFrame.from_ndarray(image, format="bgr24")
            picture.pts, picture.time_base = index, Fraction(1, FPS)
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return path


def _scaled(image: Image) -> Image:
    return np.asarray(cv2.resize(image[72:504], SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def _decoded(path: Path) -> Iterator[Image]:
    with av.open(str(path)) as container:
        for picture in container.decode(video=0):
            yield np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)


def _cpu(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _bare(path: Path) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            pass


def _sampler(path: Path, source: PacketSource | None = None) -> Sampler:
    url = f"file://{path}?clock=2026-01-15T02:00:00+09:00"
    camera = Camera(
        id="camera",
        name=LocalizedName(ko="카메라", en="camera"),
        url=url,
        latitude=37.5,
        longitude=127.0,
        rate=SamplingRate(active=5.0, idle=0.5),
        masks=(((0.0, 0.0), (0.1, 0.0), (0.1, 0.1)),),
    )
    return Sampler(camera, packet_buffer=PacketBuffer(), source=source)


def _sample(path: Path) -> None:
    deque(_sampler(path), maxlen=QUEUED)


def _idle(path: Path) -> float:
    """CPU seconds a second of video, from ``AWAKE_S`` on until shortly before the end."""
    marks = []
    first = None
    for frame in _sampler(path):
        first = frame.captured_at if first is None else first
        if AWAKE_S <= frame.captured_at - first <= STILL_S - 4.0:
            marks.append((time.process_time(), frame.captured_at))
    (begun, start), (ended, end) = marks[0], marks[-1]
    return (ended - begun) / (end - start)


def _gate(pictures: list[Image]) -> float:
    gate = MotionGate()
    smalls = [gate.reduce(np.ascontiguousarray(picture[:, :, 1])) for picture in pictures[:100]]
    best = 1.0
    for turn in range(10):
        begun = time.process_time()
        for index, small in enumerate(smalls):
            gate.update(small, turn * 20 + index / 5)
        best = min(best, (time.process_time() - begun) / len(smalls))
    return best


class _Watched:
    """A recording that remembers the capture time of the packet it gave last."""

    def __init__(self, recording: Recording) -> None:
        self.at = 0.0
        self._recording = recording

    def packets(self, stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        for item in self._recording.packets(stop):
            if isinstance(item, Packet):
                self.at = item.captured_at
            yield item


def _wake(folder: Path, wall: Float64, phase: float) -> float:
    path = encode(folder / "wake.mp4", noisy(wall, WALK_S + 6.0, WALK_S + phase))
    url = f"file://{path}?clock=1970-01-02T00:00:00Z"
    source = _Watched(Recording("camera", SourceUrl.parse(url)))
    for frame in _sampler(path, source):
        if frame.scene.moved and frame.captured_at - 86_400 > WALK_S - 1.0:
            return source.at - 86_400 - WALK_S - phase
    raise AssertionError("nobody was seen to walk")


if __name__ == "__main__":
    main()
