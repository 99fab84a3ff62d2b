from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lanewatch.records import Frame
from streams import source_comparison
from streams.kafka.ownership.camera_task import player
from streams.source_comparison import Play
from streams.sources.url import SourceError
from tests.streams.conftest import MakeCamera


def late(play: Play, by_s: float) -> Play:
    """A source whose frames arrive later."""

    def later(stop: threading.Event, hand_on: Callable[[Frame], None]) -> None:
        def hold(frame: Frame) -> None:
            from msgspec.structs import replace

            hand_on(replace(frame, received_at=frame.received_at + by_s))

        play(stop, hold)

    return later


def broken(stop: threading.Event, hand_on: Callable[[Frame], None]) -> None:
    """A source that cannot be played."""
    raise SourceError("rtsp://operator:s3cr3t@10.0.0.1/1: nobody answers")


def thinned(play: Play) -> Play:
    """A source that gives only every second frame."""

    def thin(stop: threading.Event, hand_on: Callable[[Frame], None]) -> None:
        play(stop, lambda frame: hand_on(frame) if round(frame.slot * 0.0035) % 2 else None)

    return thin


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (lambda play, other: play, ""),  # the same camera by another way
        (lambda play, other: other, "another view"),
        (lambda play, other: late(play, 2.0), "2.0 s later"),
        (lambda play, other: thinned(play), "frames, the old source"),
        (lambda play, other: broken, "cannot be played: rtsp://***@10.0.0.1/1"),
    ],
)
def test_the_new_source_is_refused_for_its_defects(
    clip: Path, walk_clip: Path, make_camera: MakeCamera, new: Callable[[Play, Play], Play], message: str
) -> None:
    since = datetime.fromtimestamp(time.time() - 10, UTC).isoformat()

    def source(path: Path) -> Play:
        return player(make_camera(f"file://{path}?loop=1&pace=live&since={since}", active=3.5), "UTC")

    found = source_comparison.compare(source(clip), new(source(clip), source(walk_clip)), 3.0, 1 / 3.5)
    if not message:
        assert found.refusals == ()
        assert found.correlation == pytest.approx(1.0, abs=1e-6)
        assert found.old.size == found.new.size == (768, 576)
        assert "yes" in source_comparison.table(found)
    else:
        assert any(message in why for why in found.refusals), found.refusals
        assert "s3cr3t" not in source_comparison.table(found)
