"""Playback of a recording: a video file or a folder of images, once or in a loop, at full speed or live."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import av.error
import msgspec

from lanewatch import metrics
from streams.sources.capture_time import EpochCounter
from streams.sources.container import FOLDER_FPS, Deadlines, OpenedSource, image_codec, image_paths, open_recording
from streams.sources.packets import Packet, SourceEvent
from streams.sources.url import LiveAnchor, SourceError, SourceUrl, redact

YEAR_2000 = 946_684_800.0
"""2000-01-01 UTC. Recorders whose clock was never set give 1970 or 1980."""
CLOCK_AHEAD_S = 86_400.0
"""A file may be dated this far in the future: its recorder took local time for UTC."""
CATCH_UP_SPEED = 20.0  # of reading from the key frame up to the current position; a decoder can follow it

log = metrics.log("sample")

Items = Iterator[Packet | SourceEvent]


class Recording:
    """The packets of a file or folder, with capture times.

    The first picture's capture time is the URL's ``clock``. Without one, it is now for a file that is played live.
    Otherwise it is the container's creation time, or else the file's modification time. ``fps`` in the URL replaces
    the container's rate and so scales all of its times. At the end of a loop comes the event ``ended``. A new epoch
    starts ``pause_s`` later.

    With ``lead`` in the URL, the first seconds of a paced file come at full speed, in the first loop only.

    With ``since`` in the URL, the recording plays as if it had run since then. It starts in the loop and at the
    position that are due now, at the key frame before it. Each picture comes when it is due. So all samplers of the
    recording give the same capture times.
    """

    def __init__(
        self,
        camera: str,
        url: SourceUrl,
        *,
        pause_s: float = 1.0,
        deadlines: Deadlines | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._camera = camera
        self._url = url
        self._pause_s = pause_s
        self._deadlines = deadlines or Deadlines()
        self._now = now
        self._epochs = EpochCounter(camera)

    def packets(self, stop: threading.Event) -> Items:
        """Packets until the end, until ``stop`` is set, or without end in a loop. The event ``ended`` is the last item.

        Raises ``SourceError`` if the file does not exist or is not a video, or the folder has no images.
        """
        anchor, start, reason = self._url.anchor, self._url.clock, "start"
        joined_at, turn, period_s = 0.0, 0, 0.0
        if anchor is not None:
            joined_at = anchor.capture_time(self._now())
            period_s = self._duration() + self._pause_s
            turn = max(0, math.floor((joined_at - anchor.clock) / period_s)) if self._url.loop else 0
            start = anchor.clock + turn * period_s
        while not stop.is_set():
            latest = None
            for item in self._one_loop(start, reason, joined_at, stop):
                if isinstance(item, Packet):
                    if latest is None:
                        self._epochs.start(item.captured_at, reason, joined_at=joined_at)
                    item = msgspec.structs.replace(item, epoch=self._epochs.update(item.decode_at))
                    latest = max(latest or 0.0, item.captured_at)
                yield item
            yield SourceEvent("ended", latest)
            if not self._url.loop or latest is None:
                return
            turn, reason = turn + 1, "loop"
            start = latest + self._pause_s if anchor is None else anchor.clock + turn * period_s

    def _duration(self) -> float:
        """Seconds of capture time from the first picture to the last."""
        times = [item.captured_at for item in self._read(0.0) if isinstance(item, Packet)]
        return max(times, default=0.0) - min(times, default=0.0)

    def _one_loop(self, start: float | None, reason: str, joined_at: float, stop: threading.Event) -> Items:
        items = self._read(start)
        if self._url.anchor is not None:
            return _paced(_from_key_frame(items, joined_at), _anchored_pace(self._url.anchor, self._now), stop)
        if self._url.paced:
            return _paced(items, _own_pace(self._url.lead if reason == "start" else 0.0), stop)
        return _paced(items, lambda packet: 0.0, stop)

    def _read(self, start: float | None) -> Items:
        return self._folder(start) if self._url.kind == "folder" else self._file(start)

    def _file(self, start: float | None) -> Items:
        with contextlib.closing(open_recording(self._url, self._deadlines)) as opened:
            start = self._start(opened) if start is None else start
            try:
                if opened.has_times:
                    yield from self._timed(opened, start)
                else:
                    yield from self._counted(opened, start)
            except av.error.FFmpegError as error:
                self._report_unreadable(f"{self._url}: playback stops here: {redact(str(error))}")
                yield SourceEvent("unreadable")

    def _timed(self, opened: OpenedSource, start: float) -> Items:
        """The packets of a container with times; ``fps`` scales them."""
        codec, scale = opened.codec, 1.0
        if self._url.fps:
            codec, scale = replace(codec, rate=self._url.fps), codec.rate / self._url.fps
        first_s: float | None = None
        for packet in opened:
            shown_s = packet.pts if packet.pts is not None else packet.dts
            first_s = shown_s if first_s is None else first_s
            captured_at, decode_at = (start + (time_s - first_s) * scale for time_s in (shown_s, packet.dts))
            yield Packet(captured_at, decode_at, packet.data, packet.key, codec, has_pts=packet.pts is not None)

    def _counted(self, opened: OpenedSource, start: float) -> Items:
        """The packets of a raw stream, which has no times: they come at its rate."""
        rate = self._url.fps or opened.raw_rate
        if rate is None:
            raise SourceError(
                f"{redact(self._url.target)}: a raw video stream without times or a rate; give its frames per second: "
                "?fps=N in the URL, or --fps N"
            )
        codec = replace(opened.codec, rate=rate)
        for index, packet in enumerate(opened):
            captured_at = start + index / rate
            yield Packet(captured_at, captured_at, packet.data, packet.key, codec, has_pts=False)

    def _start(self, opened: OpenedSource) -> float:
        """Capture time of the first picture if the URL has no ``clock``."""
        path = Path(self._url.target)
        if self._url.paced:
            return self._now()
        if opened.created_at is not None:
            return self._plausible(opened.created_at, "the file's creation time")
        if path.exists():
            return self._plausible(path.stat().st_mtime, "the file's modification time")
        return self._now()

    def _plausible(self, start: float, source: str) -> float:
        """A date that a file gives, and a log line that says so.

        Raises ``SourceError`` for a date before 2000 or in the future: the recorder's clock was never set.
        """
        shown, date = redact(self._url.target), datetime.fromtimestamp(start, UTC).isoformat(timespec="seconds")
        if not YEAR_2000 <= start <= self._now() + CLOCK_AHEAD_S:
            raise SourceError(
                f"{shown}: {source} is {date}, which cannot be true; give the time of the first picture: "
                "?clock=2026-01-15T02:00:00+09:00 in the URL, or --clock"
            )
        log.warning("camera %s: %s: capture time starts at %s, %s", self._camera, shown, date, source)
        return start

    def _folder(self, start: float | None) -> Items:
        paths = image_paths(self._url.target)
        if start is None and self._url.paced:
            start = self._now()
        elif start is None:
            start = self._plausible(paths[0].stat().st_mtime, "the first image's modification time")
        fps = self._url.fps or FOLDER_FPS
        for index, path in enumerate(paths):
            captured_at = start + index / fps
            data = path.read_bytes()
            codec = image_codec(data)
            if codec is None:
                self._report_unreadable(f"{path}: not an image, skipped")
                yield SourceEvent("unreadable", captured_at)
            else:
                yield Packet(captured_at, captured_at, data, True, replace(codec, rate=fps))

    def _report_unreadable(self, message: str) -> None:
        metrics.DROPPED.labels("sample", self._camera, "unreadable").inc()
        log.warning("camera %s: %s", self._camera, message)


def _paced(items: Items, delay_s: Callable[[Packet], float], stop: threading.Event) -> Items:
    """Gives each packet after its delay; ends when ``stop`` is set."""
    for item in items:
        due_s = delay_s(item) if isinstance(item, Packet) else 0.0
        if stop.is_set() or (due_s > 0 and stop.wait(due_s)):
            return
        yield item


def _own_pace(lead_s: float) -> Callable[[Packet], float]:
    """Delays for a file's own pace, after a lead at full speed."""
    first_at: float | None = None
    started = 0.0

    def delay_s(packet: Packet) -> float:
        nonlocal first_at, started
        first_at = packet.decode_at if first_at is None else first_at
        due_s = packet.decode_at - first_at - lead_s
        if due_s <= 0:
            started = time.monotonic()
        return started + due_s - time.monotonic()

    return delay_s


def _anchored_pace(anchor: LiveAnchor, now: Callable[[], float]) -> Callable[[Packet], float]:
    """Delays until each packet is due by the wall clock; late packets come at ``CATCH_UP_SPEED``."""
    previous_at: float | None = None

    def delay_s(packet: Packet) -> float:
        nonlocal previous_at
        late_s = now() - anchor.wall_time(packet.decode_at)
        step_s = 0.0 if previous_at is None else (packet.decode_at - previous_at) / CATCH_UP_SPEED
        previous_at = packet.decode_at
        return min(step_s, late_s) if late_s > 0 else -late_s

    return delay_s


def _from_key_frame(items: Items, joined_at: float) -> Items:
    """The items from the last key frame before a capture time on."""
    group: list[Packet | SourceEvent] | None = []
    for item in items:
        if group is not None and isinstance(item, Packet):
            if item.decode_at >= joined_at:
                yield from group
                group = None
            elif item.key:
                group = []
        if group is None:
            yield item
        else:
            group.append(item)
    yield from group or ()
