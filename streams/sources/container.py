"""Opens a container or stream with libav and reads its packets; lists the images of a folder."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import cast

import av
import av.error
import msgspec
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lanewatch import metrics
from streams.sources.packets import Codec
from streams.sources.url import SourceError, SourceUrl, redact
from streams.video.display_geometry import turn_of

VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".ts", ".mpg", ".mpeg", ".h264", ".h265", ".dav"}
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}

log = metrics.log("sample")

FOLDER_FPS = 5.0  # of a folder without ``fps``: the default active rate, so that every image is sampled
_MAGIC = ((b"\xff\xd8", "mjpeg"), (b"\x89PNG", "png"), (b"BM", "bmp"), (b"II*\0", "tiff"), (b"MM\0*", "tiff"))

_TIMELESS = frozenset(
    {"avs2", "avs3", "cavsvideo", "dirac", "evc", "h261", "h263", "h264", "hevc", "image2pipe", "jpeg_pipe", "m4v"}
    | {"mjpeg", "mjpeg_2000", "mpegvideo", "mpjpeg", "obu", "rawvideo", "vc1", "vvc"}
)
"""libav's formats without times of their own: it numbers their pictures at 25 a second."""
_RATED = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vc1"})
_STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_MAX_PROBED = 64

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
    """An opened container or stream: its codec and its packets.

    Attributes:
        codec: Of the video stream. ``probe_turn`` completes its display geometry.
        has_times: The packets' times are the container's. A raw stream has none, and libav makes them up.
        raw_rate: Frames per second that a raw stream itself reports; None if it does not.
        read_s: Longest time without a packet of the video stream; 0 for no limit.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, *, read_s: float = 0.0) -> None:
        self.codec = Codec.from_stream(stream)
        self.has_times = not _TIMELESS & set(container.format.name.split(","))
        self.raw_rate = _raw_rate(stream)
        self._container = container
        self._stream = stream
        self._read_s = read_s
        self._ahead: list[av.Packet[VideoStream]] = []

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

    def probe_turn(self) -> None:
        """Decodes the first picture: only it has the display matrix of its container."""
        self._stream.codec_context.thread_count = 1  # more threads would only delay the picture
        for packet in self._packets():
            self._ahead.append(packet)
            try:
                picture = next((item for item in packet.decode() if isinstance(item, VideoFrame)), None)
            except av.error.FFmpegError:
                return
            if picture is not None:
                geometry = replace(self.codec.geometry, turn=turn_of(picture))
                self.codec = replace(self.codec, geometry=geometry)
            if picture is not None or len(self._ahead) >= _MAX_PROBED:
                return

    def _packets(self) -> Iterator[av.Packet[VideoStream]]:
        """The video's packets. Other streams' are read too, so that sound alone does not hide a stalled picture."""
        arrived = time.monotonic()
        for packet in self._container.demux():
            now = time.monotonic()
            if packet.stream.index == self._stream.index:
                if packet.size:
                    yield cast("av.Packet[VideoStream]", packet)
                arrived = time.monotonic()
            elif self._read_s and now - arrived > self._read_s:
                raise TimeoutError(f"no picture for {self._read_s:g} s, but other data")

    def __iter__(self) -> Iterator[ContainerPacket]:
        base = float(self._stream.time_base or 0)
        dts = -1.0 / self.codec.rate
        ahead, self._ahead = self._ahead, []
        for packet in itertools.chain(ahead, self._packets()):
            ticks = packet.dts if packet.dts is not None else packet.pts
            dts = ticks * base if ticks is not None else dts + 1.0 / self.codec.rate
            pts = packet.pts * base if packet.pts is not None else None
            yield ContainerPacket(pts, dts, bytes(packet), packet.is_keyframe)

    def close(self) -> None:
        self._container.close()


def connect(url: SourceUrl, deadlines: Deadlines) -> OpenedSource:
    """Opens a network camera. Raises ``av.error.FFmpegError``, whose text may contain the password."""
    timeout = (deadlines.connect_s, deadlines.read_s)
    container = av.open(url.target, options=_STREAM_OPTIONS[url.kind], timeout=timeout)
    return OpenedSource(container, _video_stream(container, url), read_s=deadlines.read_s)


def open_recording(url: SourceUrl, deadlines: Deadlines) -> OpenedSource:
    """Opens a local video file, or one over HTTP. Raises ``SourceError`` with the file and the fix."""
    shown = redact(url.target)
    try:
        if url.kind == "http":
            opened = connect(url, deadlines)
        else:
            container = av.open(f"file:{url.target}")  # a colon in the name is no protocol
            opened = OpenedSource(container, _video_stream(container, url))
        opened.probe_turn()
        return opened
    except (av.error.InvalidDataError, av.error.EOFError):
        raise SourceError(
            f"{shown}: not a readable video; use a video file such as H.264 in MP4, "
            "and copy it again if it is truncated"
        ) from None
    except FileNotFoundError:
        raise SourceError(f"{shown}: no such file; paths are absolute or relative to the site file") from None
    except (av.error.FFmpegError, OSError) as error:
        raise SourceError(f"{shown}: cannot open ({type(error).__name__}); check the file permissions") from None


def recording_length_s(url: SourceUrl) -> float | None:
    """Capture time of a whole recording by its header, seconds; None if it does not say."""
    if url.kind == "folder":
        return len(image_paths(url.target)) / (url.fps or FOLDER_FPS)
    try:
        with av.open(f"file:{url.target}") as container:
            if not container.streams.video or not container.duration:
                return None
            scale = Codec.from_stream(container.streams.video[0]).rate / url.fps if url.fps else 1.0
            return container.duration / av.time_base * scale
    except (av.error.FFmpegError, OSError):
        return None  # playing it reports the error


def _video_stream(container: InputContainer, url: SourceUrl) -> VideoStream:
    """The stream that the URL names, or else libav's choice among those that are no covers or thumbnails."""
    streams = container.streams.video
    films = [stream for stream in streams if not stream.disposition & _STILL] or list(streams)
    shown = ", ".join(f"{number}: {stream.width}x{stream.height}" for number, stream in enumerate(streams))
    if url.stream is not None:
        if url.stream < len(streams):
            return streams[url.stream]
        container.close()
        raise SourceError(f"{redact(url.target)}: no video stream {url.stream}; there are {shown or 'none'}")
    if not films:
        container.close()
        raise av.error.InvalidDataError(0, "the stream has no video")
    best = container.streams.best("video")
    chosen = next((stream for stream in films if best is not None and stream.index == best.index), films[0])
    if len(streams) > 1:
        number = [stream.index for stream in streams].index(chosen.index)
        log.warning(
            "%s: %d video streams (%s); number %d is played; stream=N in the URL chooses another",
            redact(url.target), len(streams), shown, number,
        )  # fmt: skip
    return chosen


def _raw_rate(stream: VideoStream) -> float | None:
    """The rate in the bitstream of H.264, HEVC or MPEG video; other raw streams have none."""
    context = stream.codec_context
    rate = context.framerate if context.name in _RATED else None
    return float(rate) if rate and 0 < rate <= 1000 else None


def image_paths(folder: str) -> list[Path]:
    """A folder's images in natural order (9.jpg before 10.jpg). Raises ``SourceError`` if there are none."""
    paths = [path for path in Path(folder).iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    if not paths:
        videos = sorted(path.name for path in Path(folder).iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
        if videos:
            raise SourceError(
                f"{folder}: a folder of {len(videos)} videos, such as {videos[0]}; only images are played from a "
                "folder, so give videos one by one, or join them first"
            )
        raise SourceError(f"{folder}: a folder without images; supported are {', '.join(sorted(IMAGE_SUFFIXES))}")

    def natural_key(path: Path) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path.name)]

    return sorted(paths, key=natural_key)


def image_codec(data: bytes) -> Codec | None:
    """The codec of an image file by its first bytes; None if it is not an image."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Codec("webp")
    return next((Codec(name) for magic, name in _MAGIC if data.startswith(magic)), None)
