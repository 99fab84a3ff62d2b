"""The display geometry of a stream: decoded pictures are turned upright and scaled to square pixels.

A camera that hangs upside down, or a phone, says in a display matrix how its pictures must be turned. A recorder's
channel of 704x240 says in its sample aspect ratio that its pixels are not square. Both are applied after decoding,
so that everything that follows sees upright pictures with square pixels.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

MAX_ASPECT = 4
"""A pixel's sides differ by 2.2 times at most in practice (704x240). A ratio above this is an encoder's error."""


@dataclass(frozen=True)
class DisplayGeometry:
    """How a stream's pictures become upright, with square pixels.

    Attributes:
        turn: libavfilter's filters that turn a picture upright, such as ``transpose=clock``; empty for none.
        aspect: A pixel's width divided by its height, before the turn.
    """

    turn: str = ""
    aspect: Fraction = Fraction(1)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of an encoded picture once it is upright. The shorter sides of its pixels are stretched."""
        width, height = self._square(width, height)
        return (height, width) if self.turn.startswith("transpose") else (width, height)

    def filters(self, width: int, height: int) -> str:
        """libavfilter's filters for a picture of that size; none if it is shown as it is encoded."""
        square = self._square(width, height)
        scale = f"scale={square[0]}:{square[1]},setsar=1" if square != (width, height) else ""
        return ",".join(part for part in (scale, self.turn) if part)

    def _square(self, width: int, height: int) -> tuple[int, int]:
        if self.aspect > 1:
            return _even(width * self.aspect), height
        return width, _even(height / self.aspect) if self.aspect < 1 else height


PLAIN = DisplayGeometry()


def _even(length: Fraction) -> int:
    return max(2, 2 * round(length / 2))


def aspect_ratio(value: Fraction | None) -> Fraction:
    """A stream's sample aspect ratio; 1 if it has none, or an impossible one."""
    return value if value and Fraction(1, MAX_ASPECT) <= value <= MAX_ASPECT else Fraction(1)


def turn_of(picture: VideoFrame) -> str:
    """The filters that turn a decoded picture upright, from its display matrix.

    The matrix maps a pixel (x, y) to (a x + c y, b x + d y). Angles between the quarter turns are rounded.
    """
    data = cast("Any", picture.side_data).get(Type.DISPLAYMATRIX)  # PyAV types it as a mapping of texts
    if data is None:
        return ""
    a, b, _, c, d = struct.unpack_from("=5i", data)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return ",".join(name for name, value in (("hflip", a), ("vflip", d)) if value < 0)
    return {
        (True, False): "transpose=clock",
        (False, True): "transpose=cclock",
        (True, True): "transpose=cclock_flip",
        (False, False): "transpose=clock_flip",
    }[b > 0, c > 0]


class UprightConverter:
    """Applies a display geometry to decoded pictures, whose times it keeps. Not thread-safe."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._graph: Graph | None = None

    def convert(self, picture: VideoFrame, geometry: DisplayGeometry) -> VideoFrame:
        """The picture, upright and with square pixels; the same object if it is so already."""
        key = (geometry, picture.width, picture.height, picture.format.name)
        if key != self._key:
            filters = geometry.filters(picture.width, picture.height)
            self._graph = _graph(picture, filters) if filters else None
            self._key = key
        if self._graph is None:  # also with a ratio such as 16384:16383, which changes no pixel
            return picture
        self._graph.push(picture)
        upright = self._graph.pull()
        assert isinstance(upright, VideoFrame)
        return upright


def _graph(picture: VideoFrame, filters: str) -> Graph:
    graph = Graph()
    graph.threads = 1  # at these sizes threads cost more than they save
    last = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base
    )
    for part in filters.split(","):
        name, _, arguments = part.partition("=")
        node = graph.add(name, arguments) if arguments else graph.add(name)
        last.link_to(node)
        last = node
    last.link_to(graph.add("buffersink"))
    graph.configure()
    return graph
