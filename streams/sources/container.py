"""Opens a container or stream with libav and reads its packets; lists the images of a folder."""

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

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}

FOLDER_FPS = 5.0  # of a folder without ``fps``: the default active rate, so that every image is sampled
_MAGIC = ((b"\xff\xd8", "mjpeg"), (b"\x89PNG", "png"), (b"BM", "bmp"), (b"II*\0", "tiff"), (b"MM\0*", "tiff"))

_STREAM_OPTIONS = {
    # TCP, because UDP loses packets in the network, and a loss damages all pictures until the next key frame.
    # Probing is short: probed packets arrive here in one burst, so their arrival times are useless.
    "rtsp": {"rtsp_transport": "tcp", "analyzeduration": "100000", "fpsprobesize": "0"},
    "http": {"analyzeduration": "500000", "fpsprobesize": "0"},
}


@dataclass(frozen=True)
class Deadlines:
    """How long to wait for a camera, seconds."""

    connect_s: float = 10.0  # more helps cameras behind slow links
    read_s: float = 5.0  # more tolerates longer pauses of the stream, but a loss is noticed later


class ContainerPacket(msgspec.Struct, frozen=True):
    """A packet with the times of its container, in seconds of the container's own clock."""

    pts: float | None
    dts: float
    data: bytes
    key: bool


class OpenedSource:
    """An opened container or stream: its codec and its packets."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.codec = Codec.from_stream(stream)
        self._container = container
        self._stream = stream

    @property
    def realtime_s(self) -> float | None:
        """Wall time of the stream's zero, seconds UTC; None until the camera reports it by RTCP."""
        start = self._container.start_time_realtime
        return start / 1e6 if start and start > 0 else None

    @property
    def created_at(self) -> float | None:
        """The container's creation time, seconds UTC."""
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
            ticks = packet.dts if packet.dts is not None else packet.pts
            dts = ticks * base if ticks is not None else dts + 1.0 / self.codec.rate
            pts = packet.pts * base if packet.pts is not None else None
            yield ContainerPacket(pts, dts, bytes(packet), packet.is_keyframe)

    def close(self) -> None:
        self._container.close()


def connect(url: SourceUrl, deadlines: Deadlines) -> OpenedSource:
    """Opens a network camera. Raises ``av.error.FFmpegError``, whose text may contain the password."""
    timeout = (deadlines.connect_s, deadlines.read_s)
    return _with_video(av.open(url.target, options=_STREAM_OPTIONS[url.kind], timeout=timeout))


def open_recording(url: SourceUrl, deadlines: Deadlines) -> OpenedSource:
    """Opens a local video file, or one over HTTP. Raises ``SourceError`` with the file and the fix."""
    shown = redact(url.target)
    try:
        if url.kind == "http":
            return connect(url, deadlines)
        return _with_video(av.open(url.target))
    except (av.error.InvalidDataError, av.error.EOFError):
        raise SourceError(
            f"{shown}: not a readable video; use a video file such as H.264 in MP4, "
            "and copy it again if it is truncated"
        ) from None
    except FileNotFoundError:
        raise SourceError(f"{shown}: no such file; paths are absolute or relative to the site file") from None
    except (av.error.FFmpegError, OSError) as error:
        raise SourceError(f"{shown}: cannot open ({type(error).__name__}); check the file permissions") from None


def _with_video(container: InputContainer) -> OpenedSource:
    if not container.streams.video:
        container.close()
        raise av.error.InvalidDataError(0, "the stream has no video")
    return OpenedSource(container, container.streams.video[0])


def image_paths(folder: str) -> list[Path]:
    """A folder's images in natural order (9.jpg before 10.jpg). Raises ``SourceError`` if there are none."""
    paths = [path for path in Path(folder).iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    if not paths:
        raise SourceError(f"{folder}: a folder without images; supported are {', '.join(sorted(IMAGE_SUFFIXES))}")

    def natural_key(path: Path) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path.name)]

    return sorted(paths, key=natural_key)


def image_codec(data: bytes) -> Codec | None:
    """The codec of an image file by its first bytes; None if it is not an image."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Codec("webp")
    return next((Codec(name) for magic, name in _MAGIC if data.startswith(magic)), None)
