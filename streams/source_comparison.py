"""Two sources of one camera side by side: whether the new one may take the old one's place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from lanewatch.records import Float64, Frame, Image
from streams.sources.url import redact

Play = Callable[[threading.Event, Callable[[Frame], None]], None]
"""Samples a source until the event is set, and hands each frame on; raises what keeps it from being played."""

ALIKE = 0.7
"""Correlation of the two pictures' brightness, at the median of their common slots: another camera's view correlates
by less than .5, the same view in another encoding, resolution or white balance by more than .9."""

RATE = 0.9
"""Of the old source's pictures a second, at least."""

SLOWER_S = 1.0
"""By which a picture may be had later than from the old source."""

SMALL = (64, 36)
LEAST = 5


@dataclass
class SourceStatistics:
    """What one source gave.

    Attributes:
        pictures: how many.
        gap_s: longest time between the slots of two of them, capture time.
        latency_s: from capture to being had, at the median, by the capture time that the source tells.
        size: width and height of the camera's picture as it is sampled.
        error: why it could not be played; None if it could.
    """

    pictures: int = 0
    gap_s: float = 0.0
    latency_s: float = 0.0
    size: tuple[int, int] = (0, 0)
    error: str | None = None
    lumas: dict[int, Float64] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Both, and what is wrong with the new one.

    Attributes:
        seconds: for how long they were looked at.
        alike: correlation of brightness at common slots, median; None where there were too few of them.
        refusals: why the new one may not take over; nothing: it may.
    """

    old: SourceStatistics
    new: SourceStatistics
    seconds: float
    alike: float | None
    refusals: tuple[str, ...]


class _Recorder:
    """Takes the frames of one side."""

    def __init__(self) -> None:
        self.side = SourceStatistics()
        self._latencies: list[float] = []
        self._last: int | None = None

    def take(self, frame: Frame) -> None:
        """Notes a frame."""
        if frame.image is None:
            return
        side = self.side
        side.pictures += 1
        if self._last is not None:
            side.gap_s = max(side.gap_s, (frame.slot - self._last) / 1000)
        self._last = frame.slot
        self._latencies.append(frame.received_at - frame.captured_at)
        side.latency_s = float(np.median(self._latencies))
        side.size = (frame.width, frame.height)
        side.lumas[frame.slot] = _luma(frame.image)

    def play(self, play: Play, stop: threading.Event) -> None:
        """Runs the source until the end."""
        try:
            play(stop, self.take)
        except Exception as error:  # noqa: BLE001 - whatever keeps a source from being played is the finding
            self.side.error = redact(str(error)) or type(error).__name__


def compare(old: Play, new: Play, seconds: float, interval_s: float, stop: threading.Event | None = None) -> Comparison:
    """Runs two sources side by side and judges the new one.

    Args:
        old: what is sampled now.
        new: what is to take its place.
        seconds: for how long, from the start of both.
        interval_s: between two slots of the camera's grid.
        stop: ends it before.
    """
    ended, told = threading.Event(), stop or threading.Event()
    sides = [_Recorder(), _Recorder()]
    threads = [
        threading.Thread(target=side.play, args=(play, ended), daemon=True)
        for side, play in zip(sides, (old, new), strict=True)
    ]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    while not told.is_set() and time.monotonic() - begun < seconds and any(thread.is_alive() for thread in threads):
        told.wait(min(0.1, seconds))
    took = time.monotonic() - begun
    ended.set()
    for thread in threads:
        thread.join(5.0)
    was, will = sides[0].side, sides[1].side
    alike = _alike(was, will)
    return Comparison(was, will, took, alike, tuple(_refusals(was, will, alike, interval_s)))


def _refusals(old: SourceStatistics, new: SourceStatistics, alike: float | None, interval_s: float) -> list[str]:
    if new.error is not None:
        return [f"the new source cannot be played: {new.error}"]
    if new.pictures < LEAST:
        return [f"the new source gave {new.pictures} pictures"]
    found: list[str] = []
    if old.pictures < LEAST:
        return found  # the old one is dead: whatever plays is better
    if new.pictures < RATE * old.pictures:
        found.append(f"it gives {new.pictures} pictures where the old one gives {old.pictures}")
    if new.gap_s > max(old.gap_s, 2 * interval_s) + 0.01:
        found.append(f"its longest gap is {new.gap_s:.1f} s, the old one's {old.gap_s:.1f} s")
    if new.latency_s > old.latency_s + SLOWER_S:
        found.append(f"a picture is had {new.latency_s - old.latency_s:.1f} s later than from the old one")
    if alike is None:
        found.append("the two have hardly a slot in common: do both tell the same time?")
    elif alike < ALIKE:
        found.append(f"it shows another view: correlation {alike:.2f}, at least {ALIKE:g}")
    return found


def _alike(old: SourceStatistics, new: SourceStatistics) -> float | None:
    common = sorted(old.lumas.keys() & new.lumas.keys())
    if len(common) < LEAST:
        return None
    return float(np.median([np.mean(old.lumas[slot] * new.lumas[slot]) for slot in common]))


def _luma(image: Image) -> Float64:
    """Brightness of a small picture, its mean 0 and its variance 1: light and contrast do not matter."""
    small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), SMALL, interpolation=cv2.INTER_AREA).astype(np.float64)
    spread = float(small.std())
    return (small - small.mean()) / spread if spread > 1e-6 else np.zeros_like(small)


def table(comparison: Comparison) -> str:
    """Both sources beside each other, and the verdict."""
    old, new = comparison.old, comparison.new
    rows = [
        ("", "old", "new"),
        ("pictures", str(old.pictures), str(new.pictures)),
        ("a second", *(f"{side.pictures / max(comparison.seconds, 1e-3):.2f}" for side in (old, new))),
        ("longest gap", *(f"{side.gap_s:.2f} s" for side in (old, new))),
        ("latency", *(f"{side.latency_s * 1000:.0f} ms" for side in (old, new))),
        ("picture", *(f"{side.size[0]}x{side.size[1]}" for side in (old, new))),
    ]
    lines = [f"{name:<14}{was:>12}{will:>12}" for name, was, will in rows]
    if comparison.alike is not None:
        lines.append(f"{'same view':<14}{comparison.alike:>24.2f}")
    lines += [f"no: {why}" for why in comparison.refusals] or ["yes: the new source may take over"]
    return "\n".join(lines)
