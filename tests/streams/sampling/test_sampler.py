from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import msgspec
import numpy as np
import pytest

from lanewatch import metrics
from lanewatch.records import Frame
from streams.sampling.sampler import Sampler
from streams.sources.packets import Codec, Packet, SourceEvent
from streams.sources.recording import Recording
from streams.sources.url import SourceError, SourceUrl
from tests.streams.conftest import MakeCamera, scene, write_clip

CLOCK = "2026-01-15T02:00:00+09:00"
NIGHT = datetime(2026, 1, 14, 17, 0, tzinfo=UTC).timestamp()


def with_image(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.image is not None]


def dropped(camera: str, reason: str) -> float:
    value: float = metrics.DROPPED.labels("sample", camera, reason)._value.get()
    return value


def test_the_clip_gives_every_frame_on_its_slot_and_ends(clip: Path, make_camera: MakeCamera) -> None:
    frames = list(Sampler(make_camera(f"file://{clip}?clock={CLOCK}&fps=7", active=7.0)))
    assert len(frames) == 796
    assert [frame.gap for frame in frames] == [None] * 795 + ["ended"]
    for index, frame in enumerate(frames[:795]):
        assert frame.captured_at == pytest.approx(NIGHT + index / 7, abs=1e-4)
        assert frame.slot == round((round(NIGHT) * 7 + index) / 7 * 1000)
    assert {frame.epoch for frame in frames} == {round(NIGHT * 1000)}
    assert frames[795].slot > frames[794].slot
    assert (frames[0].width, frames[0].height) == (768, 576)
    assert frames[0].profile == "night"  # by the time, two in the morning, not by the picture
    crops = sum(len(frame.crops) for frame in frames) / 795
    assert crops <= 0.2


def test_fps_replaces_the_containers_rate(data: Path, make_camera: MakeCamera) -> None:
    video = data / "pets09-s2l1" / "video.avi"  # says 10 fps, was recorded at 7
    frames = with_image(list(Sampler(make_camera(f"file://{video}?clock={CLOCK}&fps=7", active=7.0))))
    assert len(frames) == 795
    assert frames[-1].captured_at - frames[0].captured_at == pytest.approx(794 / 7, abs=1e-3)


@pytest.mark.parametrize("fps", [2.0, 5.0])
def test_slots_do_not_depend_on_the_start_of_a_sampler(clip: Path, make_camera: MakeCamera, fps: float) -> None:
    early = Sampler(make_camera(f"file://{clip}?clock=2026-01-15T02:00:00Z&fps=7", active=fps), gate=False)
    late = Sampler(make_camera(f"file://{clip}?clock=2026-01-15T02:00:03Z&fps=7", active=fps), gate=False)
    grid = {frame.slot for frame in early}
    assert all(slot in grid for slot in [frame.slot for frame in late][:40])
    assert all(round(slot * fps / 1000) == pytest.approx(slot * fps / 1000, abs=fps / 1000) for slot in grid)


def test_a_still_scene_has_the_idle_rate_and_a_tick_each_second(still_clip: Path, make_camera: MakeCamera) -> None:
    frames = list(Sampler(make_camera(f"file://{still_clip}?clock={CLOCK}")))
    idle = [frame for frame in frames if 9.0 < frame.captured_at - NIGHT < 19.0]
    assert 4 <= len(with_image(idle)) <= 6
    assert {frame.gap for frame in idle} == {None, "idle"}
    for before, after in pairwise(frames):
        assert 0 < after.captured_at - before.captured_at <= 1.5
        assert after.slot > before.slot
    assert len({frame.epoch for frame in frames}) == 1


def test_the_gate_can_be_disabled(still_clip: Path, make_camera: MakeCamera) -> None:
    assert len(with_image(list(Sampler(make_camera(f"file://{still_clip}?clock={CLOCK}"), gate=False)))) == 100


def test_the_approach_is_sampled_when_motion_starts(walk_clip: Path, make_camera: MakeCamera) -> None:
    """The walker comes at 12.3 s, between two idle frames. The scene is idle from about 5 s on."""
    frames = list(Sampler(make_camera(f"file://{walk_clip}?clock={CLOCK}")))
    assert all(after.slot > before.slot for before, after in pairwise(frames))
    walk = [frame for frame in with_image(frames) if 12.2 <= frame.captured_at - NIGHT < 16.3]
    assert len(walk) >= 20  # 4.1 s at five frames per second: each slot
    moved = [frame for frame in walk if frame.scene.moved]
    assert moved[0].captured_at - NIGHT <= 12.6
    for frame in moved:
        expected = 10 + 280 * (frame.captured_at - NIGHT - 12.3) / 4.0 + 8
        left, top, right, bottom = max(frame.scene.moved, key=lambda box: box[2] - box[0])
        assert abs((left + right) / 2 - expected) < 24
        assert 70 <= top < bottom <= 140
    before = [frame for frame in with_image(frames) if 6.5 <= frame.captured_at - NIGHT < 10.9]
    assert len(before) <= 3
    assert not any(frame.scene.moved for frame in before)


def test_no_picture_is_damaged_when_motion_starts(walk_clip: Path, make_camera: MakeCamera) -> None:
    """Pictures that are decoded after an idle phase equal those of continuous decoding."""
    url = f"file://{walk_clip}?clock={CLOCK}"
    whole = {frame.slot: frame.image for frame in Sampler(make_camera(url), gate=False)}
    gated = with_image(list(Sampler(make_camera(url))))
    for frame in gated:
        assert frame.image is not None
        np.testing.assert_array_equal(frame.image, whole[frame.slot])


def test_masks_are_black_in_frames_crops_and_gate(walk_clip: Path, make_camera: MakeCamera) -> None:
    band = ((0.0, 0.4), (1.0, 0.4), (1.0, 0.8), (0.0, 0.8))  # the walker's whole path
    frames = list(Sampler(make_camera(f"file://{walk_clip}?clock={CLOCK}", masks=(band,)), gate=False))
    for frame in with_image(frames):
        assert frame.image is not None
        assert not frame.image[72:144].any()
        assert frame.image[:60].any()
        assert not frame.scene.moved


def test_crops_are_masked_and_at_native_resolution(tmp_path: Path, make_camera: MakeCamera) -> None:
    images = [np.repeat(np.repeat(image, 4, axis=0), 4, axis=1) for image in scene(8.0, (0.0, 8.0), fps=5)]
    for image in images:
        image[320:512] = np.where(image[320:512] < 60, 128, image[320:512])  # no walker of 192 px
    rng = np.random.default_rng(3)
    for index, image in enumerate(images):
        x = 200 + index * 12
        image[400:440, x : x + 16] = rng.integers(0, 40, (40, 16, 3))  # one of 40 px in 720
    path = write_clip(tmp_path / "far.mp4", images, fps=5, gop=5)
    mask = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.54), (0.0, 0.54))  # down to 388 px: it cuts every crop of the walker
    frames = with_image(list(Sampler(make_camera(f"file://{path}?clock={CLOCK}", width=640, masks=(mask,)))))
    crops = [(frame, crop) for frame in frames for crop in frame.crops]
    assert crops
    assert len(crops) <= 0.2 * len(frames)
    for frame, crop in crops:
        assert frame.width == 640
        left, top, right, bottom = crop.box
        assert crop.image.shape == (round((bottom - top) * 2), round((right - left) * 2), 3)
        native_top = round(top * 2)
        assert native_top < 388
        assert not crop.image[: 388 - native_top].any()
        assert crop.image[400 - native_top : 430 - native_top].any()


def test_a_loop_continues_in_a_new_epoch_with_rising_time(still_clip: Path, make_camera: MakeCamera) -> None:
    sampler = Sampler(make_camera(f"file://{still_clip}?clock={CLOCK}&loop=1"), gate=False)
    frames = []
    for frame in sampler:
        frames.append(frame)
        if len(frames) == 250:
            break
    ends = [index for index, frame in enumerate(frames) if frame.gap == "ended"]
    assert ends[0] == 100
    assert len(ends) == 2
    assert all(after.captured_at > before.captured_at for before, after in pairwise(frames))
    assert all(after.slot > before.slot for before, after in pairwise(frames))
    epochs = [frames[50].epoch, frames[150].epoch, frames[220].epoch]
    assert epochs == sorted(set(epochs))
    assert frames[ends[0]].epoch == epochs[0]


def test_a_file_played_live_keeps_its_pace_and_closes_at_once(still_clip: Path, make_camera: MakeCamera) -> None:
    sampler = Sampler(make_camera(f"file://{still_clip}?clock={CLOCK}&pace=live&loop=1"), gate=False)
    assert sampler.live
    frames = []
    for frame in sampler:
        frames.append(frame)
        if len(frames) == 8:
            sampler.close()
    assert len(frames) == 8
    capture = frames[-1].captured_at - frames[0].captured_at
    passed = frames[-1].received_at - frames[0].received_at
    assert passed == pytest.approx(capture, abs=0.3)


class ListSource:
    """A source that gives the items of a list."""

    def __init__(self, items: list[Packet | SourceEvent]) -> None:
        self.items = items

    def packets(self, stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        yield from self.items


def jpeg(shade: int) -> bytes:
    image = np.full((90, 160, 3), shade, np.uint8)
    return bytes(cv2.imencode(".jpg", image)[1])


def test_ticks_without_motion_have_the_cameras_clock(make_camera: MakeCamera) -> None:
    codec = Codec("mjpeg", rate=5.0)
    items: list[Packet | SourceEvent] = [
        Packet(at, at, jpeg(90), True, codec, 1, clock_s=-2.5) for at in np.arange(100.0, 130.0, 0.2)
    ]
    frames = list(Sampler(make_camera("x.mp4"), source=ListSource(items), live=False))
    assert {frame.gap for frame in frames} == {None, "idle"}
    assert {frame.scene.clock_s for frame in frames} == {-2.5}


def test_a_camera_that_seldom_sends_a_key_frame_and_nothing_else_is_sampled(
    make_camera: MakeCamera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times are a tenth of the real ones: a key frame each 4 s, as "smart" codecs send, is after the 2 s of a loss."""
    monkeypatch.setattr("streams.sampling.sampler.LOST_S", 0.2)
    monkeypatch.setattr("streams.sampling.sampler.TICK_S", 0.1)
    clip = write_clip(tmp_path / "keys.mp4", scene(5, fps=1), fps=1, gop=1)
    url = SourceUrl.parse(f"file://{clip}?clock={CLOCK}")
    packets = [packet for packet in Recording("gate", url).packets(threading.Event()) if isinstance(packet, Packet)]
    assert [packet.key for packet in packets] == [True] * 5

    class SlowSource:
        def packets(self, stop: threading.Event) -> Iterator[Packet | SourceEvent]:
            for packet in packets:
                now = time.time()
                yield msgspec.structs.replace(packet, captured_at=now, decode_at=now)
                time.sleep(0.4)

    frames = []
    for frame in Sampler(make_camera("rtsp://127.0.0.1/1"), source=SlowSource(), live=True):
        frames.append(frame)
        if len(with_image(frames)) == 5:
            break
    assert {frame.gap for frame in frames} == {None, "lost"}
    assert [frame.captured_at for frame in frames] == sorted(frame.captured_at for frame in frames)


def test_a_new_epoch_with_an_earlier_clock_is_sampled_too(make_camera: MakeCamera) -> None:
    codec = Codec("mjpeg", rate=5.0)
    times: list[tuple[int, float]] = [(1, 100.0 + i / 5) for i in range(10)] + [(2, 40.0 + i / 5) for i in range(10)]
    items: list[Packet | SourceEvent] = [
        Packet(at, at, jpeg(i * 9), True, codec, epoch) for i, (epoch, at) in enumerate(times)
    ]
    frames = list(Sampler(make_camera("x.mp4"), source=ListSource(items), live=False))
    assert [(frame.epoch, round(frame.captured_at, 3)) for frame in frames] == [(e, round(t, 3)) for e, t in times]


def test_a_truncated_picture_is_counted_and_sampling_continues(make_camera: MakeCamera) -> None:
    codec = Codec("mjpeg", rate=5.0)
    whole = [jpeg(i * 20) for i in range(10)]
    whole[4] = whole[4][: len(whole[4]) // 2]
    whole[7] = b"\xff\xd8 no picture at all"
    items: list[Packet | SourceEvent] = [Packet(50 + i / 5, 50 + i / 5, d, True, codec, 1) for i, d in enumerate(whole)]
    before = dropped("cam", "unreadable")
    frames = list(Sampler(make_camera("x.mp4"), source=ListSource(items), live=False))
    assert [frame.gap for frame in frames] == [None] * 4 + ["unreadable"] + [None] * 2 + ["unreadable"] + [None] * 2
    assert dropped("cam", "unreadable") - before == 2


def test_a_folder_with_a_truncated_image(tmp_path: Path, make_camera: MakeCamera) -> None:
    for index in range(12):
        (tmp_path / f"{index}.jpg").write_bytes(jpeg(index * 20))  # 10.jpg comes after 9.jpg
    (tmp_path / "5.jpg").write_bytes(jpeg(100)[:300])
    (tmp_path / "6.jpg").write_bytes(b"not an image")
    (tmp_path / "notes.txt").write_text("ignored")
    frames = list(Sampler(make_camera(f"file://{tmp_path}?clock={CLOCK}&fps=5")))
    assert [frame.gap for frame in frames] == [None] * 5 + ["unreadable"] * 2 + [None] * 5 + ["ended"]
    shades = [int(frame.image.mean()) for frame in frames if frame.image is not None]
    assert shades == sorted(shades)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_truncated_clip_is_played_as_far_as_it_goes(
    part: float, clip: Path, tmp_path: Path, make_camera: MakeCamera
) -> None:
    whole = clip.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: int(len(whole) * part)])
    frames = list(Sampler(make_camera(f"file://{cut}?clock={CLOCK}", active=7.0)))
    assert 795 * part * 0.5 < len(with_image(frames)) < 795
    assert frames[-1].gap == "ended"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.mp4", b"this is no video, whatever its name says\n" * 50, "not a readable video"),
        ("empty.mp4", b"", "not a readable video"),
        ("missing.mp4", None, "no such file"),
        ("head.mp4", "head", "not a readable video"),  # truncated before its index
    ],
)
def test_the_error_of_an_invalid_video_names_the_file(
    name: str, content: bytes | str | None, message: str, clip: Path, tmp_path: Path, make_camera: MakeCamera
) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "head":
        path.write_bytes(clip.read_bytes()[:2000])
    with pytest.raises(SourceError, match=message) as error:
        list(Sampler(make_camera(str(path))))
    assert name in str(error.value)


def test_an_invalid_video_that_is_played_live_is_an_error_too(tmp_path: Path, make_camera: MakeCamera) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no video")
    with pytest.raises(SourceError, match=r"notes\.mp4: not a readable video"):
        list(Sampler(make_camera(f"file://{path}?pace=live&loop=1")))


def test_an_empty_folder_is_an_error(tmp_path: Path, make_camera: MakeCamera) -> None:
    with pytest.raises(SourceError, match="without images"):
        list(Sampler(make_camera(str(tmp_path))))


@pytest.fixture
def web(clip: Path) -> Iterator[str]:
    """The URL of a web server with a clip and an endless MJPEG camera; it ends in a slash."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            if self.path == "/clip.mp4":
                self.send_header("Content-Length", str(clip.stat().st_size))
                self.end_headers()
                self.wfile.write(clip.read_bytes())
                return
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            pause = threading.Event()
            try:
                for index in range(10_000):
                    data = jpeg(index % 250)
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                    self.wfile.write(head.encode() + data + b"\r\n")
                    pause.wait(0.04)  # the camera's own pace
            except OSError:
                return

        def log_message(self, *args: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_file_over_http(web: str, make_camera: MakeCamera) -> None:
    assert len(with_image(list(Sampler(make_camera(web + "clip.mp4", active=7.0))))) == 795


def test_an_mjpeg_camera(web: str, make_camera: MakeCamera) -> None:
    sampler = Sampler(make_camera(web + "video.mjpg"))
    assert sampler.live
    frames = []
    for frame in sampler:
        frames.append(frame)
        if len(frames) == 6:
            sampler.close()
    assert all(frame.image is not None for frame in frames)
    assert frames[-1].captured_at - frames[0].captured_at == pytest.approx(1.0, abs=0.5)


def test_a_damaged_stream_is_played_to_its_end(clip: Path, tmp_path: Path, make_camera: MakeCamera) -> None:
    data = bytearray(clip.read_bytes())
    rng = np.random.default_rng(5)
    for at in rng.integers(200_000, len(data) - 1000, 60):
        data[at : at + 40] = bytes(rng.integers(0, 256, 40, dtype=np.uint8))
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    frames = list(Sampler(make_camera(f"file://{path}?clock={CLOCK}", active=7.0)))
    assert frames[-1].gap == "ended"
    assert len(with_image(frames)) > 600
    assert all(after.slot > before.slot for before, after in pairwise(frames))


def test_libav_does_not_log() -> None:
    """The log of libav has URLs with passwords."""
    assert av.logging.get_level() is None
