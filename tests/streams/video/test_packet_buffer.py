from __future__ import annotations

import threading
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from streams.sources.packets import Codec, Packet
from streams.sources.recording import Recording
from streams.sources.url import SourceUrl
from streams.video.annexb import annexb, parameter_sets
from streams.video.packet_buffer import PacketBuffer
from tests.streams.conftest import MakeCamera

CODEC = Codec("mjpeg")
ZERO = 1_768_410_000.0


def filled(camera, clip: Path, **bounds) -> PacketBuffer:  # type: ignore[no-untyped-def]
    buffer = PacketBuffer([camera], **bounds)
    address = SourceUrl.parse(f"file://{clip}?clock=2026-01-15T02:00:00+09:00&fps=7")
    for packet in Recording("cam", address).packets(threading.Event()):
        if isinstance(packet, Packet):
            buffer.append("cam", packet)
    return buffer


def test_a_segment_has_exactly_the_requested_frames(clip: Path, make_camera: MakeCamera) -> None:
    buffer = filled(make_camera("x", active=7.0), clip)
    frames = list(buffer.hold("cam", ZERO + 80.0, ZERO + 90.0).frames())
    assert [frame.captured_at for frame in frames] == pytest.approx([ZERO + i / 7 for i in range(560, 631)], abs=1e-4)
    assert all(frame.image is not None for frame in frames)


def test_the_frames_equal_the_clips(clip: Path, make_camera: MakeCamera) -> None:
    buffer = filled(make_camera("x"), clip)
    frame = next(iter(buffer.hold("cam", ZERO + 700 / 7 - 0.01, ZERO + 101.0).frames()))
    with av.open(str(clip)) as container:
        picture = next(islice(container.decode(video=0), 700, None))
    assert frame.image is not None
    difference = np.abs(frame.image.astype(int) - picture.to_ndarray(format="bgr24"))
    assert difference.max() <= 2  # swscale rounds differently from width to width


def test_holds_a_minute(clip: Path, make_camera: MakeCamera) -> None:
    segment = filled(make_camera("x"), clip).hold("cam", 0.0, ZERO + 1000.0)
    assert segment.covered is not None
    first, last = segment.covered
    assert 60.0 <= last - first <= 62.0  # a key frame each two seconds
    assert segment.packets[0].key


def test_what_pictures_depend_on_is_held_until_the_next_key_frame(make_camera: MakeCamera) -> None:
    """Cameras with a smart codec have minutes between key frames."""
    buffer = PacketBuffer([make_camera("x")], max_age_s=60.0)
    for index in range(240):
        buffer.append("cam", Packet(1000.0 + index, 1000.0 + index, b"x", index % 120 == 0, CODEC, 1))
        held = buffer.hold("cam", 1000.0 + index - 50, 1000.0 + index)
        assert held.packets[0].key
        assert held.packets[-1].captured_at == 1000.0 + index
        assert len(buffer.hold("cam", 0.0, 9999.0)) <= 180


def test_holds_at_most_its_bytes(clip: Path, make_camera: MakeCamera) -> None:
    segment = filled(make_camera("x"), clip, max_bytes=600_000).hold("cam", 0.0, ZERO + 1000.0)
    assert 300_000 < sum(len(packet.data) for packet in segment.packets) <= 600_000
    assert segment.packets[0].key


def test_old_packets_expire_after_the_clock_was_set_back(make_camera: MakeCamera) -> None:
    buffer = PacketBuffer([make_camera("x")], max_age_s=10.0)
    for index in range(100):
        buffer.append("cam", Packet(5000.0 + index, 5000.0 + index, b"x", True, CODEC, 1))
    for index in range(8):
        buffer.append("cam", Packet(100.0 + index, 100.0 + index, b"x", True, CODEC, 2))
    assert len(buffer.hold("cam", 0.0, 9999.0)) == 12
    for index in range(8, 30):
        buffer.append("cam", Packet(100.0 + index, 100.0 + index, b"x", True, CODEC, 2))
    assert buffer.hold("cam", 0.0, 9999.0).covered == (119.0, 129.0)


def test_a_segment_outlives_the_buffers_packets(clip: Path, make_camera: MakeCamera) -> None:
    buffer = filled(make_camera("x"), clip)
    segment = buffer.hold("cam", ZERO + 60.0, ZERO + 62.0)
    for index in range(200):
        buffer.append("cam", Packet(ZERO + 200 + index, ZERO + 200 + index, b"x", True, CODEC, 2))
    assert list(buffer.hold("cam", ZERO + 60.0, ZERO + 62.0).frames()) == []
    assert len(list(segment.frames())) == 15


def decoded(path: Path) -> tuple[str, str, list[float]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [float(picture.time or 0) for picture in container.decode(stream)]
        return stream.codec_context.name, stream.codec_context.pix_fmt or "", times


def test_write_copies_the_stream_without_masks(clip: Path, tmp_path: Path, make_camera: MakeCamera) -> None:
    segment = filled(make_camera("x"), clip).hold("cam", ZERO + 70.0, ZERO + 80.0)
    assert segment.can_remux
    path = tmp_path / "clip.mp4"
    segment.write(path)
    codec, pixels, times = decoded(path)
    assert (codec, pixels) == ("h264", "yuv420p")
    assert len(times) == len(segment)
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx(
        [1 / 7] * (len(times) - 1), abs=1e-3
    )
    size = sum(len(packet.data) for packet in segment.packets)
    assert size < path.stat().st_size < size + 10_000
    atoms = path.read_bytes()
    assert atoms.index(b"moov") < atoms.index(b"mdat")  # plays before the download ends


def test_write_encodes_again_with_masks(clip: Path, tmp_path: Path, make_camera: MakeCamera) -> None:
    left_half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    segment = filled(make_camera("x", masks=(left_half,)), clip).hold("cam", ZERO + 70.0, ZERO + 73.0)
    assert not segment.can_remux
    path = tmp_path / "clip.mp4"
    segment.write(path)
    codec, pixels, times = decoded(path)
    assert (codec, pixels) == ("h264", "yuv420p")
    assert times == pytest.approx([i / 7 for i in range(22)], abs=2e-3)
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="bgr24")
    assert picture[:, :380].max() < 12
    assert picture[:, 400:].mean() > 50
    atoms = path.read_bytes()
    assert atoms.index(b"moov") < atoms.index(b"mdat")


def test_an_annexb_stream_is_copied_too(
    access_units: Path, tmp_path: Path, make_camera: MakeCamera, clip: Path
) -> None:
    """As RTSP cameras send it: start codes, parameter sets in the SDP only."""
    buffer = filled(make_camera("x"), clip)
    held = buffer.hold("cam", ZERO + 70.0, ZERO + 73.0)
    extradata = held.packets[0].codec.extradata
    codec = Codec("h264", parameter_sets(extradata), 768, 576, "yuv420p", "", 7.0)
    other = PacketBuffer([make_camera("x")])
    for packet in held.packets:
        data = annexb(packet.data, extradata)
        other.append("cam", Packet(packet.captured_at, packet.decode_at, data, packet.key, codec, 1))
    path = tmp_path / "clip.mp4"
    segment = other.hold("cam", 0.0, ZERO + 100.0)
    assert segment.can_remux
    segment.write(path)
    assert len(decoded(path)[2]) == len(segment)


def test_missing_footage_is_an_error(make_camera: MakeCamera, tmp_path: Path) -> None:
    buffer = PacketBuffer([make_camera("x")])
    with pytest.raises(ValueError, match="no footage between"):
        buffer.hold("cam", 0.0, 10.0).write(tmp_path / "clip.mp4")
    with pytest.raises(KeyError, match="no camera 'other'"):
        buffer.hold("other", 0.0, 10.0)


def test_writing_and_reading_at_once(make_camera: MakeCamera) -> None:
    buffer = PacketBuffer([make_camera("x")], max_age_s=5.0)
    errors = []

    def write() -> None:
        for index in range(4000):
            buffer.append("cam", Packet(index / 25, index / 25, bytes(100), index % 25 == 0, CODEC, 1))

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        packets = buffer.hold("cam", 0.0, 1e9).packets
        if packets and not packets[0].key:
            errors.append(packets[0])
    writer.join()
    assert not errors
