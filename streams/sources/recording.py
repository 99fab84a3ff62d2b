"""Playing what was recorded: a video file or a folder of images, once or in a loop, as fast as it goes or live."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av.error
import msgspec

from lanewatch import metrics
from streams.sources.capture_time import EpochCounter
from streams.sources.container import FOLDER_FPS, Deadlines, OpenedSource, image_codec, images, open_recording
from streams.sources.packets import Codec, Packet, SourceEvent
from streams.sources.url import LiveAnchor, SourceUrl, redact

CATCHING_UP = 20.0
"""Times its own pace at which a recording is read from the key frame before what is shown by now: a decoder follows."""

log = metrics.log("sample")


class Recording:
    """The packets of a file or folder, with capture times.

    The first picture's capture time is the URL's ``clock``; without one: of a file played live, now; else the
    container's creation time, else when the file was last written, which for a copy is when it was copied. ``fps``
    in the URL replaces the container's rate and so stretches all of its times. When a loop wraps, a mark says that it
    ended, and a new epoch goes on ``pause_s`` later.

    With ``lead`` in the URL the first so many seconds of a file played live come as fast as they go, in the first loop.

    With ``since`` in the URL it is as if a camera had been running all along: it begins in whatever loop and at
    whatever place it must be at by now, from the key frame before, and shows each picture when it is due; whoever plays
    it gives the same capture times.

    Args:
        camera: whose pictures these are.
        address: a file or folder.
        pause_s: seconds of capture time between the end of a loop and its next beginning.
        now: wall clock, seconds UTC.
    """

    def __init__(
        self,
        camera: str,
        address: SourceUrl,
        *,
        pause_s: float = 1.0,
        deadlines: Deadlines | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._camera = camera
        self._address = address
        self._pause_s = pause_s
        self._deadlines = deadlines or Deadlines()
        self._now = now
        self._epochs = EpochCounter(camera)

    def packets(self, stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        """Packets until the end, for ever in a loop, or until ``stop`` is set; ends with a mark ``ended``.

        Raises:
            SourceError: the file is missing or no video, the folder holds no image.
        """
        anchor = self._address.anchor
        if anchor is not None:
            yield from self._running(anchor, stop)
            return
        start, reason = self._address.clock, "start"
        while not stop.is_set():
            last = None
            lead = self._address.lead if reason == "start" else 0.0
            for item in self._paced(self._play(start), stop, lead):
                if last is None and isinstance(item, Packet):
                    self._epochs.open(item.captured_at, reason)
                if isinstance(item, Packet):
                    item = msgspec.structs.replace(item, epoch=self._epochs.of(item.decode_at))
                    last = max(last or 0.0, item.captured_at)
                yield item
            yield SourceEvent("ended", last)
            if not self._address.loop or last is None:
                return
            start, reason = last + self._pause_s, "loop"

    def _running(self, anchor: LiveAnchor, stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        """What a camera that has been running since the anchor gives from now on."""
        period = self._span() + self._pause_s
        joined = anchor.capture(self._now())
        turn = max(0, math.floor((joined - anchor.clock) / period)) if self._address.loop else 0
        reason = "start"
        while not stop.is_set():
            start = anchor.clock + turn * period
            last = None
            for item in self._due(_joined(self._play(start), joined), anchor, stop):
                if isinstance(item, Packet):
                    if last is None:
                        self._epochs.open(item.captured_at, reason, joined=joined)
                    item = msgspec.structs.replace(item, epoch=self._epochs.of(item.decode_at))
                    last = max(last or 0.0, item.captured_at)
                yield item
            yield SourceEvent("ended", last)
            if not self._address.loop or last is None:
                return
            turn, reason = turn + 1, "loop"

    def _due(
        self, items: Iterator[Packet | SourceEvent], anchor: LiveAnchor, stop: threading.Event
    ) -> Iterator[Packet | SourceEvent]:
        before = None
        for item in items:
            if isinstance(item, Packet):
                late = self._now() - anchor.wall(item.decode_at)
                step = 0.0 if before is None else (item.decode_at - before) / CATCHING_UP
                before = item.decode_at
                if stop.wait(max(0.0, min(step, late) if late > 0 else -late)):
                    return
            if stop.is_set():
                return
            yield item

    def _span(self) -> float:
        """Seconds of capture time from the first picture to the last."""
        times = [item.captured_at for item in self._play(0.0) if isinstance(item, Packet)]
        return max(times, default=0.0) - min(times, default=0.0)

    def _play(self, start: float | None) -> Iterator[Packet | SourceEvent]:
        if self._address.kind == "folder":
            return self._folder(start)
        return self._file(start)

    def _paced(
        self, items: Iterator[Packet | SourceEvent], stop: threading.Event, lead: float
    ) -> Iterator[Packet | SourceEvent]:
        begun, first = time.monotonic(), None
        for item in items:
            if self._address.paced and isinstance(item, Packet):
                first = item.decode_at if first is None else first
                passed = item.decode_at - first - lead
                if passed <= 0:
                    begun = time.monotonic()  # the pace begins with the end of the lead
                elif stop.wait(max(0.0, begun + passed - time.monotonic())):
                    return
            if stop.is_set():
                return
            yield item

    def _file(self, start: float | None) -> Iterator[Packet | SourceEvent]:
        opened = open_recording(self._address, self._deadlines)
        try:
            codec = opened.codec
            stretch = 1.0
            if self._address.fps:
                codec, stretch = replace(codec, rate=self._address.fps), codec.rate / self._address.fps
            yield from self._timed(opened, codec, self._begin(start, opened), stretch)
        except av.error.FFmpegError as error:
            metrics.DROPPED.labels("sample", self._camera, "unreadable").inc()
            log.warning("camera %s: %s: stops here: %s", self._camera, self._address, redact(str(error)))
            yield SourceEvent("unreadable")
        finally:
            opened.close()

    def _timed(self, opened: OpenedSource, codec: Codec, begin: float, stretch: float) -> Iterator[Packet]:
        shift: float | None = None
        for sample in opened:
            shown = sample.pts if sample.pts is not None else sample.dts
            shift = shown if shift is None else shift
            yield Packet(
                begin + (shown - shift) * stretch,
                begin + (sample.dts - shift) * stretch,
                sample.data,
                sample.key,
                codec,
                timed=sample.pts is not None,
            )

    def _begin(self, start: float | None, opened: OpenedSource | None) -> float:
        if start is not None:
            return start
        if self._address.paced:
            return self._now()
        created = opened.created_at if opened is not None else None
        if created is not None:
            return created
        path = Path(self._address.target)
        return path.stat().st_mtime if path.exists() else self._now()

    def _folder(self, start: float | None) -> Iterator[Packet | SourceEvent]:
        paths = images(self._address.target)
        if start is None:
            start = self._now() if self._address.paced else paths[0].stat().st_mtime
        fps = self._address.fps or FOLDER_FPS
        for index, path in enumerate(paths):
            data = path.read_bytes()
            codec = image_codec(data)
            if codec is None:
                metrics.DROPPED.labels("sample", self._camera, "unreadable").inc()
                log.warning("camera %s: %s: no image; left out", self._camera, path)
                yield SourceEvent("unreadable", start + index / fps)
            else:
                captured_at = start + index / fps
                yield Packet(captured_at, captured_at, data, True, replace(codec, rate=fps))


def _joined(items: Iterator[Packet | SourceEvent], at: float) -> Iterator[Packet | SourceEvent]:
    """What is played from the last key frame before a capture time on."""
    kept: list[Packet | SourceEvent] | None = []
    for item in items:
        if kept is not None and isinstance(item, Packet):
            if item.decode_at >= at:
                yield from kept
                kept = None
            elif item.key:
                kept = []
        if kept is None:
            yield item
        else:
            kept.append(item)
    yield from kept or ()
