"""Cameras, clips and a real RTSP server for the sampler's tests."""

from __future__ import annotations

import itertools
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera, SamplingRate
from lanewatch.records import Image
from streams.video.annexb import annexb, parameter_sets

SERVER = Path(__file__).with_name("rtsp_server.py")
SERVER_FPS = 14

MakeCamera = Callable[..., Camera]
MakeClip = Callable[..., Path]


@pytest.fixture(scope="session")
def make_camera() -> MakeCamera:
    """A camera of a URL; ``active`` and ``idle`` are its rates."""

    def make(url: str, active: float = 5.0, idle: float = 0.5, **fields: Any) -> Camera:
        rate = SamplingRate(active=active, idle=idle)
        name = LocalizedName(ko="시험", en="test")
        return Camera(id="cam", name=name, url=url, latitude=37.5, longitude=127.0, rate=rate, **fields)

    return make


def write_clip(path: Path, images: Sequence[Image], fps: int = 25, gop: int = 25, codec: str = "libx264") -> Path:
    """Writes images as a video without reordering."""
    with av.open(str(path), "w") as out:
        options = {"g": str(gop), "bf": "0", "preset": "veryfast", "crf": "20"}
        stream = cast(VideoStream, out.add_stream(codec, rate=fps, options=options))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        for index, image in enumerate(images):
            picture = VideoFrame.from_ndarray(image, format="bgr24")
            picture.pts, picture.time_base = index, Fraction(1, fps)
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return path


def scene(seconds: float, walk: tuple[float, float] | None = None, fps: int = 25, noise: float = 2.0) -> list[Image]:
    """A noisy wall of 320x180; a dark figure of 16x48 walks over it from ``walk[0]`` to ``walk[1]`` seconds."""
    rng = np.random.default_rng(7)
    wall = rng.integers(90, 170, (18, 32, 3)).repeat(10, axis=0).repeat(10, axis=1).astype(np.float64)
    images = []
    for index in range(round(seconds * fps)):
        at = index / fps
        picture = wall + rng.normal(0.0, noise, wall.shape)
        if walk and walk[0] <= at < walk[1]:
            left = round(10 + 280 * (at - walk[0]) / (walk[1] - walk[0]))
            picture[80:128, left : left + 16] = (20, 30, 25)
        images.append(np.clip(picture, 0, 255).astype(np.uint8))
    return images


@pytest.fixture(scope="session")
def still_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s without motion; a key frame each second."""
    return write_clip(tmp_path_factory.mktemp("clips") / "still.mp4", scene(20.0))


@pytest.fixture(scope="session")
def walk_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s with a walker from 12.3 s to 16.3 s, when the scene is idle; a key frame each second."""
    return write_clip(tmp_path_factory.mktemp("clips") / "walk.mp4", scene(20.0, (12.3, 16.3)))


class RtspServer:
    """GStreamer's server in its own process. It can be killed, stalled, and restarted on its port."""

    def __init__(self, folder: Path, login: tuple[str, str] | None = None, *, fps: int = SERVER_FPS) -> None:
        self._folder = folder
        self._fps = fps
        self._login = login or ()
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The URL of its stream."""
        login = f"{self._login[0]}:{self._login[1]}@" if self._login else ""
        return f"rtsp://{login}127.0.0.1:{self.port}/clip"

    def start(self) -> None:
        """Starts it and waits until it listens."""
        command = ["/usr/bin/python3", str(SERVER), str(self._folder), str(self.port), str(self._fps), *self._login]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline().split()
        assert line[:1] == ["ready"], "the RTSP server did not start"
        self.port = int(line[1])

    def kill(self) -> None:
        """Kills it, like a power cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.communicate()
            self._process = None

    def stall(self) -> None:
        """Stops all data; the connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continues after a stall."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def write_access_units(folder: Path, clip: Path, first: int, count: int) -> Path:
    """Pictures of a clip, one access unit a file. The first one must be a key frame."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        extradata = stream.codec_context.extradata or b""
        for index, packet in enumerate(itertools.islice(container.demux(stream), first, first + count)):
            assert index or packet.is_keyframe
            head = parameter_sets(extradata) if packet.is_keyframe else b""
            (folder / f"{index:04d}.h264").write_bytes(head + annexb(bytes(packet), extradata))
    return folder


@pytest.fixture(scope="session")
def access_units(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Path:
    """The bundled clip's first three groups of pictures, one access unit a file."""
    return write_access_units(tmp_path_factory.mktemp("units"), clip, 0, 42)


@pytest.fixture
def rtsp(access_units: Path) -> Iterator[RtspServer]:
    """A running RTSP server."""
    server = RtspServer(access_units)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def rtsp_login(access_units: Path) -> Iterator[RtspServer]:
    """A running RTSP server that requires a login."""
    server = RtspServer(access_units, ("operator", "s3cr3t-lane"))
    server.start()
    yield server
    server.kill()
