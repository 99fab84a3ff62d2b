"""Compares two sources of one camera, to decide whether the new one may replace the old one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from lanewatch.progress import Progress
from lanewatch.records import Float64, Frame, Image
from streams.sources.url import redact

Play = Callable[[threading.Event, Callable[[Frame], None]], None]
"""Plays a source until the event is set, and passes on each frame; raises if the source cannot be played."""

MIN_CORRELATION = 0.7
"""Of the two images' brightness, median of the common slots. Another camera's view is below 0.5. The same view in
another encoding, resolution or white balance is above 0.9."""

MIN_RATE = 0.9
"""Of the old source's frames a second."""

MAX_DELAY_S = 1.0
"""Added latency against the old source."""

SIZE = (64, 36)
MIN_FRAMES = 5


class SourceStatistics:
    """Measurements of one source.

    Attributes:
        pictures: Number of frames with an image.
        gap_s: Longest time between the slots of two of them, capture time.
        latency_s: Median from capture to reception, by the capture time of the source.
        size: Width and height of the frames.
        error: Why it could not be played; None if it could.
        lumas: Brightness of a small image, normalized, by slot.
    """

    def __init__(self) -> None:
        self.pictures = 0
        self.gap_s = 0.0
        self.latency_s = 0.0
        self.size = (0, 0)
        self.error: str | None = None
        self.lumas: dict[int, Float64] = {}
        self._latencies: list[float] = []
        self._last_slot: int | None = None

    def play(self, play: Play, stop: threading.Event) -> None:
        """Measures the source until ``stop`` is set, or to its end."""
        try:
            play(stop, self._add)
        except Exception as error:  # noqa: BLE001 - whatever the error is, it is the result
            self.error = redact(str(error)) or type(error).__name__

    def _add(self, frame: Frame) -> None:
        if frame.image is None:
            return
        self.pictures += 1
        if self._last_slot is not None:
            self.gap_s = max(self.gap_s, (frame.slot - self._last_slot) / 1000)
        self._last_slot = frame.slot
        self._latencies.append(frame.received_at - frame.captured_at)
        self.latency_s = float(np.median(self._latencies))
        self.size = (frame.width, frame.height)
        self.lumas[frame.slot] = _luma(frame.image)


@dataclass(frozen=True)
class Comparison:
    """The two sources over some seconds, and the reasons against the new one.

    ``correlation`` is the median of brightness at common slots; None with too few of them.
    """

    old: SourceStatistics
    new: SourceStatistics
    seconds: float
    correlation: float | None
    refusals: tuple[str, ...]


def compare(
    old: Play,
    new: Play,
    seconds: float,
    interval_s: float,
    stop: threading.Event | None = None,
    *,
    quiet: bool = True,
) -> Comparison:
    """Plays the present source and its replacement side by side, and compares them.

    Args:
        seconds: Duration, from the start of both.
        interval_s: Between two slots of the camera's grid.
        stop: Ends the comparison early.
        quiet: Without progress on stderr.
    """
    ended, stop = threading.Event(), stop or threading.Event()
    before, after = SourceStatistics(), SourceStatistics()
    threads = [
        threading.Thread(target=statistics.play, args=(play, ended), daemon=True)
        for statistics, play in ((before, old), (after, new))
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    duration = 0.0
    with Progress("comparing", seconds, unit="s", quiet=quiet) as progress:
        while not stop.is_set() and duration < seconds and any(thread.is_alive() for thread in threads):
            stop.wait(min(0.1, seconds))
            before_s, duration = duration, time.monotonic() - started
            progress.add(duration - before_s)
    ended.set()
    for thread in threads:
        thread.join(5.0)
    correlation = _correlation(before, after)
    return Comparison(before, after, duration, correlation, tuple(_refusals(before, after, correlation, interval_s)))


def _refusals(old: SourceStatistics, new: SourceStatistics, correlation: float | None, interval_s: float) -> list[str]:
    if new.error is not None:
        return [f"the new source cannot be played: {new.error}"]
    if new.pictures < MIN_FRAMES:
        return [f"the new source gave {new.pictures} frames"]
    if old.pictures < MIN_FRAMES:
        return []  # the old source is dead: any source that plays is better
    found: list[str] = []
    if new.pictures < MIN_RATE * old.pictures:
        found.append(f"it gives {new.pictures} frames, the old source {old.pictures}")
    if new.gap_s > max(old.gap_s, 2 * interval_s) + 0.01:
        found.append(f"its longest gap is {new.gap_s:.1f} s, the old source's {old.gap_s:.1f} s")
    if new.latency_s > old.latency_s + MAX_DELAY_S:
        found.append(f"a frame arrives {new.latency_s - old.latency_s:.1f} s later than from the old source")
    if correlation is None:
        found.append("the two have hardly any common slot: do both have the same time?")
    elif correlation < MIN_CORRELATION:
        found.append(f"it shows another view: correlation {correlation:.2f}, at least {MIN_CORRELATION:g}")
    return found


def _correlation(old: SourceStatistics, new: SourceStatistics) -> float | None:
    common = sorted(old.lumas.keys() & new.lumas.keys())
    if len(common) < MIN_FRAMES:
        return None
    return float(np.median([np.mean(old.lumas[slot] * new.lumas[slot]) for slot in common]))


def _luma(image: Image) -> Float64:
    """Brightness of a small image with mean 0 and variance 1, so that light and contrast have no effect."""
    small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), SIZE, interpolation=cv2.INTER_AREA).astype(np.float64)
    deviation = float(small.std())
    return (small - small.mean()) / deviation if deviation > 1e-6 else np.zeros_like(small)


def table(comparison: Comparison) -> str:
    """Both sources side by side, and the result."""
    both = old, new = comparison.old, comparison.new
    rows = [
        ("", "old", "new"),
        ("pictures", str(old.pictures), str(new.pictures)),
        ("a second", *(f"{source.pictures / max(comparison.seconds, 1e-3):.2f}" for source in both)),
        ("longest gap", *(f"{source.gap_s:.2f} s" for source in both)),
        ("latency", *(f"{source.latency_s * 1000:.0f} ms" for source in both)),
        ("picture", *(f"{source.size[0]}x{source.size[1]}" for source in both)),
    ]
    lines = [f"{name:<14}{before:>12}{after:>12}" for name, before, after in rows]
    if comparison.correlation is not None:
        lines.append(f"{'same view':<14}{comparison.correlation:>24.2f}")
    lines += [f"no: {reason}" for reason in comparison.refusals] or ["yes: the new source may take over"]
    return "\n".join(lines)
