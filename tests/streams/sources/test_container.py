"""Containers as recorders and cameras write them: raw streams, several videos, wrong dates, odd names."""

from __future__ import annotations

import http.server
import io
import logging
import os
import shutil
import threading
import time
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av
import cv2
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from lanewatch.records import Frame, Image
from streams.sampling.sampler import Sampler
from streams.sources.container import Deadlines
from streams.sources.network_camera import Backoff, NetworkCamera
from streams.sources.packets import Packet, SourceEvent
from streams.sources.url import SourceError, SourceUrl
from tests.streams.conftest import MakeCamera

FPS = 7
CLOCK = "clock=2026-01-15T02:00:00%2B09:00"
START = 1_768_410_000.0


def numbered(number: int, size: tuple[int, int] = (180, 320)) -> Image:
    image = np.full((*size, 3), 60, np.uint8)
    image[:, : 10 + 10 * (number % 25)] = 200
    return image


def write(path: Path, count: int = 21, *, gop: int = 7, metadata: dict[str, str] | None = None, bf: int = 0) -> Path:
    with av.open(str(path), "w") as out:
        out.metadata.update(metadata or {})
        stream = out.add_stream("libx264", rate=FPS, options={"g": str(gop), "bf": str(bf)})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for index in range(count):
            picture = VideoFrame.from_ndarray(numbered(index), format="bgr24")
            picture.pts, picture.time_base = index, Fraction(1, FPS)
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return path


def sampled(url: str, make_camera: MakeCamera) -> list[Frame]:
    return [frame for frame in Sampler(make_camera(url, active=FPS), gate=False) if frame.image is not None]


@pytest.mark.parametrize("bf", [0, 2])
def test_a_raw_stream_is_played_at_the_rate_in_its_bitstream(bf: int, tmp_path: Path, make_camera: MakeCamera) -> None:
    path = write(tmp_path / "dvr.h264", bf=bf)
    frames = sampled(f"file:{path}?{CLOCK}", make_camera)
    assert len(frames) == 21
    assert frames[-1].captured_at - frames[0].captured_at == pytest.approx(20 / FPS, abs=0.2)
    bright = [float(np.mean(frame.image)) for frame in frames if frame.image is not None]
    assert bright == sorted(bright), "in the order of capture"


def test_a_raw_stream_without_a_rate_needs_one(tmp_path: Path, make_camera: MakeCamera) -> None:
    path = tmp_path / "dvr.mjpeg"
    path.write_bytes(b"".join(cv2.imencode(".jpg", numbered(index))[1].tobytes() for index in range(10)))
    with pytest.raises(SourceError, match=r"without times or a rate.*fps=N"):
        sampled(f"file:{path}?{CLOCK}", make_camera)
    frames = sampled(f"file:{path}?{CLOCK}&fps=5", make_camera)
    assert frames[-1].captured_at - frames[0].captured_at == pytest.approx(9 / 5, abs=0.15)


class Multipart(http.server.BaseHTTPRequestHandler):
    """A camera of MJPEG over HTTP: five pictures a second, without times."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for index in range(60):
            jpeg = cv2.imencode(".jpg", numbered(index))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
            try:
                self.wfile.write(head + jpeg + b"\r\n")
            except OSError:
                return
            time.sleep(0.2)

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing."""


def transport_stream() -> bytes:
    """MPEG-TS: one second of pictures and half a minute of sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as out:
        video = out.add_stream("libx264", rate=10, options={"g": "10", "bf": "0", "tune": "zerolatency"})
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        audio: Any = out.add_stream("mp2", rate=48_000, layout="mono")
        for index in range(10):
            picture = VideoFrame.from_ndarray(numbered(index), format="bgr24")
            picture.pts, picture.time_base = index, Fraction(1, 10)
            out.mux(video.encode(picture))
        out.mux(video.encode())
        for index in range(48 * 30_000 // 1152):
            sound = AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), format="s16", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = 48_000, index * 1152, Fraction(1, 48_000)
            out.mux(audio.encode(sound))
    return buffer.getvalue()


class SoundOnly(Multipart):
    """A camera whose pictures stop after a second, while its sound continues in real time."""

    data = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        size = len(self.data) // 300
        for part in range(300):
            try:
                self.wfile.write(self.data[part * size : (part + 1) * size])
            except OSError:
                return
            time.sleep(0.1 if part > 60 else 0.01)


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), request.param)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/video"
    server.shutdown()
    server.server_close()
    thread.join()


def network(url: str) -> NetworkCamera:
    deadlines = Deadlines(connect_s=5.0, read_s=2.0)
    return NetworkCamera("http", SourceUrl.parse(url), deadlines=deadlines, backoff=Backoff(first_s=0.05, max_s=0.2))


@pytest.mark.parametrize("served", [Multipart], indirect=True)
def test_a_stream_without_times_has_those_of_arrival(served: str) -> None:
    stop = threading.Event()
    packets: list[Packet] = []
    for item in network(served).packets(stop):
        assert isinstance(item, Packet)
        packets.append(item)
        if len(packets) == 30:
            break
    stop.set()
    steps = [after.captured_at - before.captured_at for before, after in pairwise(packets[5:])]
    assert len({packet.epoch for packet in packets}) == 1
    assert np.median(steps) == pytest.approx(0.2, abs=0.05)
    assert packets[-1].captured_at == pytest.approx(time.time(), abs=2.0)


@pytest.mark.parametrize("served", [SoundOnly], indirect=True)
def test_a_camera_that_sends_only_sound_is_lost(served: str) -> None:
    SoundOnly.data = transport_stream()
    stop = threading.Event()
    started = time.monotonic()
    pictures = 0
    for item in network(served).packets(stop):
        if isinstance(item, SourceEvent):
            assert item.gap == "lost"
            break
        pictures += 1
    stop.set()
    assert pictures >= 5
    assert time.monotonic() - started < 15


def test_a_thumbnail_before_the_video_is_not_played(
    tmp_path: Path, make_camera: MakeCamera, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "export.mkv"
    with av.open(str(path), "w") as out:
        thumbnail = out.add_stream("libx264", rate=FPS)
        film = out.add_stream("libx264", rate=FPS, options={"g": "7", "bf": "0"})
        for stream, (height, width) in ((thumbnail, (90, 160)), (film, (180, 320))):
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for stream, count, size in ((thumbnail, 1, (90, 160)), (film, 21, (180, 320))):
            for index in range(count):
                picture = VideoFrame.from_ndarray(numbered(index, size), format="bgr24")
                picture.pts, picture.time_base = index, Fraction(1, FPS)
                out.mux(stream.encode(picture))
            out.mux(stream.encode())
    with caplog.at_level(logging.WARNING, "lanewatch.sample"):
        frames = sampled(f"file:{path}?{CLOCK}", make_camera)
    assert (len(frames), frames[0].width) == (21, 320)
    assert "2 video streams (0: 160x90, 1: 320x180); number 1 is played" in caplog.text
    assert [frame.width for frame in sampled(f"file:{path}?{CLOCK}&stream=0", make_camera)] == [160]
    with pytest.raises(SourceError, match="no video stream 7; there are 0: 160x90, 1: 320x180"):
        sampled(f"file:{path}?{CLOCK}&stream=7", make_camera)


@pytest.mark.parametrize("date", ["1970-01-01T00:00:05Z", "2035-05-05T00:00:00Z"])
def test_a_file_with_an_impossible_date_is_refused(date: str, tmp_path: Path, make_camera: MakeCamera) -> None:
    path = write(tmp_path / "dvr.mp4", metadata={"creation_time": date})
    with pytest.raises(SourceError, match=rf"creation time is {date[:10]}.*--clock"):
        sampled(str(path), make_camera)
    assert sampled(f"file:{path}?{CLOCK}", make_camera)[0].captured_at == pytest.approx(START, abs=0.2)


def test_an_impossible_modification_time_is_refused(tmp_path: Path, make_camera: MakeCamera) -> None:
    path = write(tmp_path / "dvr.mkv")
    os.utime(path, (0, 0))
    with pytest.raises(SourceError, match="modification time is 1970-01-01"):
        sampled(str(path), make_camera)


def test_a_guessed_clock_is_reported_with_its_source(
    tmp_path: Path, make_camera: MakeCamera, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "dvr.mkv")
    os.utime(path, (START, START))
    with caplog.at_level(logging.WARNING, "lanewatch.sample"):
        frames = sampled(str(path), make_camera)
    assert frames[0].captured_at == pytest.approx(START, abs=0.2)
    assert "capture time starts at 2026-01-14T17:00:00+00:00, the file's modification time" in caplog.text


NAMES = [
    "2026-01-15T02:00:00.mp4",
    "ch01?main.mp4",
    "ch01?loop=1.mp4",
    "100%.mp4",
    "a%20b.mp4",
    "마을길 [1]@#&.mp4",
    "논.mp4",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("scheme", ["", "file:", "file://"])
def test_names_of_files_are_not_urls(name: str, scheme: str, tmp_path: Path, make_camera: MakeCamera) -> None:
    path = tmp_path / name
    shutil.copy(write(tmp_path / "plain.mp4", metadata={"creation_time": "2026-01-14T17:00:00Z"}), path)
    assert len(sampled(f"{scheme}{path}", make_camera)) == 21


def test_a_name_that_is_not_unicode(tmp_path: Path, make_camera: MakeCamera) -> None:
    path = tmp_path / os.fsdecode("논.mp4".encode("cp949"))
    shutil.copy(write(tmp_path / "plain.mp4"), path)
    assert len(sampled(f"file://{quote(str(path), errors='surrogateescape')}?{CLOCK}", make_camera)) == 21


@pytest.mark.parametrize(("stored", "typed"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_korean_name_is_found_in_either_form(
    stored: Any, typed: Any, tmp_path: Path, make_camera: MakeCamera
) -> None:
    folder = tmp_path / unicodedata.normalize(stored, "가락리")
    folder.mkdir()
    write(folder / unicodedata.normalize(stored, "마을길.mp4"))
    path = tmp_path / unicodedata.normalize(typed, "가락리") / unicodedata.normalize(typed, "마을길.mp4")
    assert len(sampled(f"file:{path}?{CLOCK}", make_camera)) == 21


def test_a_folder_of_videos_says_what_to_do(tmp_path: Path, make_camera: MakeCamera) -> None:
    write(tmp_path / "ch01_20260115020000.mp4")
    with pytest.raises(SourceError, match=r"ch01_20260115020000\.mp4;.*one by one"):
        sampled(str(tmp_path), make_camera)
