"""Opening a source and reading its packets: a container or a stream by libav, a folder's images one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import av
import av.error
import msgspec
from av.container import InputContainer
from av.video.stream import VideoStream

from streams.sources.packets import Codec
from streams.sources.url import SourceError, SourceUrl, redact

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}

FOLDER_FPS = 5.0
"""Pictures a second of a folder that doesn't say: the default active rate, so that none is left out."""

_MAGIC = ((b"\xff\xd8", "mjpeg"), (b"\x89PNG", "png"), (b"BM", "bmp"), (b"II*\0", "tiff"), (b"MM\0*", "tiff"))

_STREAM_OPTIONS = {
    # UDP loses packets on the way through a city's switches, and what is lost smears until the next key frame.
    # Probing is cut short: what is read by it arrives here as one burst, whose times of arrival mean nothing.
    "rtsp": {"rtsp_transport": "tcp", "analyzeduration": "100000", "fpsprobesize": "0"},
    "http": {"analyzeduration": "500000", "fpsprobesize": "0"},
}


@dataclass(frozen=True)
class Deadlines:
    """How long a camera may keep us waiting, seconds.

    Raising ``connect_s`` helps cameras behind slow links; raising ``read_s`` tolerates longer pauses of the picture,
    and makes the loss of a camera known that much later.
    """

    connect_s: float = 10.0
    read_s: float = 5.0


class ContainerPacket(msgspec.Struct, frozen=True):
    """A packet as its container has it. Times are seconds of the container's own clock."""

    pts: float | None
    dts: float
    data: bytes
    key: bool


class OpenedSource:
    """An opened container or stream: its codec and its packets."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.codec = Codec.of(stream)
        self._container = container
        self._stream = stream

    @property
    def realtime_s(self) -> float | None:
        """Wall time of the stream's zero, seconds UTC, once the camera has told it by RTCP."""
        start = self._container.start_time_realtime
        return start / 1e6 if start and start > 0 else None

    @property
    def created_at(self) -> float | None:
        """When the container says that it was recorded, seconds UTC."""
        text = self._container.metadata.get("creation_time") or self._stream.metadata.get("creation_time")
        try:
            return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None
        except ValueError:
            return None

    def __iter__(self) -> Iterator[ContainerPacket]:
        base = float(self._stream.time_base or 0)
        dts = -1.0 / self.codec.rate
        for packet in self._container.demux(self._stream):
            if not packet.size:
                continue
            known = packet.dts if packet.dts is not None else packet.pts
            dts = known * base if known is not None else dts + 1.0 / self.codec.rate
            pts = packet.pts * base if packet.pts is not None else None
            yield ContainerPacket(pts, dts, bytes(packet), packet.is_keyframe)

    def close(self) -> None:
        self._container.close()


def connect(address: SourceUrl, deadlines: Deadlines) -> OpenedSource:
    """Opens a network camera.

    Raises:
        av.error.FFmpegError: it could not be reached or understood in time; its text may hold the password.
    """
    options = _STREAM_OPTIONS[address.kind]
    timeout = (deadlines.connect_s, deadlines.read_s)
    container = av.open(address.target, options=options, timeout=timeout)
    try:
        return OpenedSource(container, container.streams.video[0])
    except IndexError:
        container.close()
        raise av.error.InvalidDataError(0, "the stream has no video") from None


def open_recording(address: SourceUrl, deadlines: Deadlines) -> OpenedSource:
    """Opens a video file, here or over HTTP.

    Raises:
        SourceError: there is none, or it is no video; it says which file and what to do.
    """
    shown = redact(address.target)
    try:
        if address.kind == "http":
            return connect(address, deadlines)
        return _open_file(address.target)
    except (av.error.InvalidDataError, av.error.EOFError):
        raise SourceError(
            f"{shown}: no video that can be read; give a video file, such as H.264 in MP4, "
            "and copy it again if it was cut short"
        ) from None
    except FileNotFoundError:
        raise SourceError(f"{shown}: no such file; paths are absolute or relative to the site file") from None
    except (av.error.FFmpegError, OSError) as error:
        raise SourceError(f"{shown}: cannot be opened ({type(error).__name__}); check that it can be read") from None


def _open_file(path: str) -> OpenedSource:
    container = av.open(path)
    if not container.streams.video:
        container.close()
        raise av.error.InvalidDataError(0, "no video", path)
    return OpenedSource(container, container.streams.video[0])


def images(folder: str) -> list[Path]:
    """A folder's images in the order of the numbers in their names.

    Raises:
        SourceError: it holds none.
    """
    found = [path for path in Path(folder).iterdir() if path.suffix.lower() in IMAGES]
    if not found:
        raise SourceError(f"{folder}: a folder without images; it takes {', '.join(sorted(IMAGES))}")
    return sorted(found, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path.name)]


def image_codec(data: bytes) -> Codec | None:
    """What an image's first bytes say that it is; None: no image."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Codec("webp")
    return next((Codec(name) for magic, name in _MAGIC if data.startswith(magic)), None)
