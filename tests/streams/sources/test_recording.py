from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from lanewatch.records import Frame
from streams.sampling.sampler import Sampler
from streams.sources.packets import Packet
from streams.sources.recording import Recording
from streams.sources.url import SourceUrl
from tests.streams.conftest import MakeCamera

CLOCK = datetime(2026, 1, 14, 17, 0, tzinfo=UTC).timestamp()
SPAN_S = 794 / 7
PAUSE_S = 2 / 7
PERIOD_S = SPAN_S + PAUSE_S
"""The clip's 795 pictures at 7 per second, and two intervals until the loop starts again."""


def timestamp(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat()


def url(clip: Path, since_at: float) -> str:
    return f"file://{clip}?loop=1&pace=live&fps=7&clock=2026-01-15T02:00:00%2B09:00&since={timestamp(since_at)}"


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "webp"])
@pytest.mark.parametrize("scheme", ["", "file:", "file://"])
def test_a_folders_images_equal_those_of_another_library(
    kind: str, scheme: str, tmp_path: Path, make_camera: MakeCamera
) -> None:
    for index in range(4):
        picture = np.full((120, 160, 3), 60, np.uint8)
        cv2.rectangle(picture, (10 + 30 * index, 30), (40 + 30 * index, 100), (40, 180, 220), -1)
        cv2.imwrite(str(tmp_path / f"{index}.{kind}"), picture)
    frames = list(Sampler(make_camera(f"{scheme}{tmp_path}?fps=5&clock=2026-01-15T02:00:00%2B09:00"), gate=False))
    shown = [frame.image for frame in frames if frame.image is not None]
    assert len(shown) == 4
    for index, image in enumerate(shown):
        expected = cv2.imread(str(tmp_path / f"{index}.{kind}"))
        assert expected is not None
        assert np.abs(image.astype(int) - expected).mean() < 3


@pytest.mark.parametrize(
    ("ago_s", "turn", "first"),
    [
        (0.0, 0, 0.0),  # the start
        (9.3, 0, 8.0),  # from the key frame before; there is one every two seconds
        (PERIOD_S + 3.0, 1, 2.0),  # in the second loop
        (3 * PERIOD_S - 0.1, 2, 792 / 7),  # in the pause after the third
    ],
)
def test_a_recording_with_since_starts_at_its_present_position(
    clip: Path, ago_s: float, turn: int, first: float
) -> None:
    wall = 1_800_000_000.0
    address = SourceUrl.parse(url(clip, wall))
    recording = Recording("cam", address, pause_s=PAUSE_S, now=lambda: wall + ago_s)
    packet = next(recording.packets(threading.Event()))
    assert isinstance(packet, Packet)
    assert packet.key
    assert packet.captured_at == pytest.approx(CLOCK + turn * PERIOD_S + first, abs=1e-3)
    assert packet.epoch == pytest.approx((CLOCK + ago_s) * 1000, abs=1)  # the later sampler has the greater epoch


def test_a_lead_comes_at_full_speed_and_the_rest_at_normal_pace(clip: Path) -> None:
    address = SourceUrl.parse(f"file://{clip}?loop=1&pace=live&fps=7&lead=12")
    stop, started = threading.Event(), time.monotonic()
    first: float | None = None
    for item in Recording("cam", address).packets(stop):
        assert isinstance(item, Packet)
        first = item.captured_at if first is None else first
        if item.captured_at - first <= 12.0:
            led_at = time.monotonic()
        elif item.captured_at - first >= 13.0:
            break
    assert led_at - started < 6.0
    assert time.monotonic() - led_at >= 0.8


def test_two_samplers_of_one_recording_agree_and_the_later_one_has_the_newer_epoch(
    clip: Path, make_camera: MakeCamera
) -> None:
    camera = make_camera(url(clip, time.time() - SPAN_S + 2.0), active=3.5)  # the loop ends during the test
    seen: list[list[Frame]] = [[], []]
    samplers = [Sampler(camera, gate=False), Sampler(camera, gate=False)]

    def play(number: int) -> None:
        for frame in samplers[number]:
            seen[number].append(frame)

    threads = [threading.Thread(target=play, args=(number,)) for number in range(2)]
    threads[0].start()
    time.sleep(1.0)
    opened = CLOCK + SPAN_S - 1.0
    threads[1].start()
    end = time.monotonic() + 20
    while len(seen[1]) < 15 and time.monotonic() < end:
        time.sleep(0.05)
    for sampler, thread in zip(samplers, threads, strict=True):
        sampler.close()
        thread.join(5)
    early, late = ({frame.slot: frame for frame in frames} for frames in seen)
    first = min(late)
    assert late[first].captured_at >= opened - 0.1  # no picture from before it joined
    common = [slot for slot in sorted(late)[1:] if slot <= max(early)]
    assert len(common) >= 8
    assert all(late[slot].captured_at == early[slot].captured_at for slot in common if slot in early)
    assert len(set(common) - set(early)) == 0
    assert late[first].epoch > seen[0][0].epoch
    assert {frame.gap for frame in seen[1]} == {None, "ended"}
