"""The decode gate: which packets are decoded."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest
from av.video.frame import VideoFrame

from lanewatch.config.site import SamplingRate
from streams.sampling import decode_gate
from streams.sampling.decode_gate import DecodeGate
from streams.sources.packets import Decoder, Packet, SourceEvent, capture_time
from streams.sources.recording import Recording
from streams.sources.url import SourceUrl
from tests.streams.conftest import scene, write_clip

RATE = SamplingRate(active=5.0, idle=0.5)


def packets(path: Path) -> list[Packet]:
    items = Recording("cam", SourceUrl.parse(f"file://{path}?clock=1970-01-02T00:00:00Z")).packets(threading.Event())
    return [item for item in items if isinstance(item, Packet)]


class RecordingDecoder(Decoder):
    """Stores the packets that it decodes."""

    packets: list[Packet]

    def decode(self, packet: Packet) -> list[VideoFrame]:
        self.packets.append(packet)
        return super().decode(packet)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Packet]:
    """The packets that were decoded, in order."""
    monkeypatch.setattr(RecordingDecoder, "packets", [], raising=False)
    monkeypatch.setattr(decode_gate, "Decoder", RecordingDecoder)
    return RecordingDecoder.packets


def play(items: list[Packet], *, moved_until: float = 0.0, differs: bool = False) -> list[VideoFrame | SourceEvent]:
    """All decoded items. There is motion until ``moved_until`` seconds; ``differs`` is the answer for key frames."""
    gate = DecodeGate(RATE, True, lambda picture: differs)
    seen: list[VideoFrame | SourceEvent] = []
    for item in items:
        for picture in gate.decode(item):
            seen.append(picture)
            if isinstance(picture, VideoFrame):
                gate.report_motion(capture_time(picture), capture_time(picture) - 86_400 < moved_until)
    return seen


def test_an_idle_camera_decodes_only_key_frames_at_the_idle_rate(still_clip: Path, decoded: list[Packet]) -> None:
    play(packets(still_clip))
    late = [packet for packet in decoded if packet.captured_at - 86_400 > 6.0]
    assert all(packet.key for packet in late)
    assert len(late) == 7  # of 14 key frames in 14 s: each second one


def test_nothing_is_decoded_twice_during_motion(still_clip: Path, decoded: list[Packet]) -> None:
    items = packets(still_clip)
    seen = play(items, moved_until=30.0)
    assert decoded == items
    assert len(seen) == len(items)


def test_motion_decodes_from_the_last_decoded_key_frame_on(still_clip: Path) -> None:
    items = packets(still_clip)
    gate = DecodeGate(RATE, True, lambda picture: capture_time(picture) - 86_400 >= 11.0)
    seen = []
    for item in items:
        for picture in gate.decode(item):
            seen.append(capture_time(picture) - 86_400 if isinstance(picture, VideoFrame) else -1.0)
            gate.report_motion(86_400 + seen[-1], seen[-1] >= 11.0)
    # The last idle key frame is at 9 s, and the one at 11 s shows motion: all pictures from 9 s on come, in order.
    active_from = len(seen) - 275
    assert seen[active_from:] == pytest.approx([9.0 + 0.04 * i for i in range(275)], abs=1e-3)
    assert [at for at in seen[:active_from] if at > 5.1] == pytest.approx([7.0, 9.0], abs=1e-3)


def test_a_camera_with_rare_key_frames_is_never_idle(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "rare.mp4", scene(13.0, fps=10), fps=10, gop=60)
    items = packets(path)
    assert len(play(items)) == len(items)


def test_a_stream_without_a_first_key_frame_waits_for_one(still_clip: Path) -> None:
    items = packets(still_clip)[10:60]
    seen = play(items)
    assert all(isinstance(picture, SourceEvent) and picture.gap == "unreadable" for picture in seen[:15])
    assert all(isinstance(picture, VideoFrame) for picture in seen[15:])
    assert len(seen) == 50


def test_a_jump_of_the_clock_between_key_frames_does_not_stop_decoding(still_clip: Path) -> None:
    items = packets(still_clip)[:60]
    jumped = [
        msgspec.structs.replace(
            packet, epoch=packet.epoch + 1, captured_at=packet.captured_at - 3600, decode_at=packet.decode_at - 3600
        )
        for packet in items[35:]
    ]
    seen = play(items[:35] + jumped)
    assert all(isinstance(picture, VideoFrame) for picture in seen)
    assert len(seen) == 60


def test_flush_gives_the_end_of_an_idle_scene(still_clip: Path) -> None:
    items = packets(still_clip)
    gate = DecodeGate(RATE, True, lambda picture: False)
    for item in items:
        for picture in gate.decode(item):
            assert isinstance(picture, VideoFrame)
            gate.report_motion(capture_time(picture), False)
    assert not gate.active
    remaining = [capture_time(picture) - 86_400 for picture in gate.flush() if isinstance(picture, VideoFrame)]
    assert remaining[-1] == pytest.approx(19.96, abs=1e-3)
