"""The URL of a camera: parsing, and printing without its password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

from lanewatch.paths import existing

Kind = Literal["rtsp", "http", "file", "folder"]

_NETWORK = re.compile(r"(?i)\b(?!file:)[a-z][a-z0-9+.-]*://(?:(?:(?!://)[^\n'\"<>])*@[^\s'\"<>]*|[^\s'\"<>]+)")
"""A URL with a host. One with an ``@`` may have blanks before it, in a password that was not percent-encoded."""
_VALUE = re.compile(r"(=)[^&;#]*")
_CREDENTIAL = re.compile(r"(?i)(?:pass|pwd|user|login|token|secret|auth|key|sig|cred|account)")
_RECORDED = {".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".ts", ".mpg", ".mpeg"}
_OPTIONS = {"loop", "clock", "pace", "fps", "since", "lead", "stream"}


class SourceError(Exception):
    """A source that cannot be played, now or later. The message has the source, the problem and the fix."""


def redact(text: str) -> str:
    """A text in which the secrets of every network URL are replaced by ``***``.

    The structure decides, because recorders name their parameters as they like. Hidden are user and password, each
    value of the query, and each part of the path with a credential word, as in ``user=admin_password=1234_channel=1``.
    If an ``@`` comes after a slash, a question mark or a blank, it is not clear what is the password: all is hidden.
    """
    return _NETWORK.sub(lambda found: _redacted(found[0]), text)


def _redacted(url: str) -> str:
    scheme, _, rest = url.partition("://")
    user, at, rest = rest.rpartition("@")
    if any(mark in user for mark in "/?# \t"):
        return f"{scheme}://***"
    address, mark, query = rest.partition("?")
    host, slash, path = address.partition("/")
    shown = "/".join("***" if _CREDENTIAL.search(part) else part for part in path.split("/"))
    return f"{scheme}://{'***' if at else ''}{at}{host}{slash}{shown}{mark}" + _VALUE.sub(r"\1***", query)


@dataclass(frozen=True)
class LiveAnchor:
    """Maps capture time to the wall clock, both in seconds UTC, for a recording that is played live.

    So all samplers of the recording are at the same position, whenever they opened it.
    """

    since: float  # wall time at which the first picture is shown
    clock: float  # capture time of that picture

    def capture_time(self, wall: float) -> float:
        """Capture time of the picture that is shown at a wall time."""
        return self.clock + wall - self.since

    def wall_time(self, captured_at: float) -> float:
        """Wall time at which a picture is shown."""
        return self.since + captured_at - self.clock


@dataclass(frozen=True)
class SourceUrl:
    """A parsed camera URL; docs/site.md describes its options. Times are seconds UTC."""

    kind: Kind
    target: str  # the URL of a network camera, the path of a file or folder
    live: bool  # it cannot wait: a network camera, or a file that is played at its own pace
    loop: bool = False  # a file restarts at its end, with rising capture time
    clock: float | None = None  # capture time of the first picture; None: the source's own
    fps: float | None = None  # None: the container's
    since: float | None = None  # wall time at which a live file shows its first picture; None: when it is opened
    paced: bool = False  # a file is played at its own pace
    stream: int | None = None  # number of the video stream in a file with several; None: libav's choice
    lead: float = 0.0  # seconds at a paced file's start at full speed; it waits for the detector and is not ``live``

    @property
    def anchor(self) -> LiveAnchor | None:
        """The mapping to the wall clock; None unless a file is played live and ``since`` is set."""
        if self.since is None or not self.live:
            return None
        return LiveAnchor(self.since, self.since if self.clock is None else self.clock)

    def __repr__(self) -> str:
        return f"SourceUrl({redact(self.target)!r})"

    @classmethod
    def parse(cls, url: str, *, time_zone: str = "UTC") -> SourceUrl:
        """Parses a URL or a path. Raises ``SourceError`` for an unknown scheme or option, or an invalid value.

        A ``clock`` or ``since`` without a UTC offset is in ``time_zone``. Over HTTP, a URL with a video suffix is a
        recording, any other one is a camera.
        """
        scheme = urlsplit(url).scheme.lower() if "://" in url else ""
        if scheme in {"rtsp", "rtsps"}:
            return cls("rtsp", url, live=True)
        if scheme in {"http", "https"}:
            return cls("http", url, live=Path(urlsplit(url).path).suffix.lower() not in _RECORDED)
        if scheme not in {"", "file"}:
            raise SourceError(f"{redact(url)}: cannot open {scheme}://; use rtsp, http, https, file or a path")
        return cls._local(url, time_zone)

    @classmethod
    def _local(cls, url: str, time_zone: str) -> SourceUrl:
        path, query = _local_path(url)
        options = {name: values[-1] for name, values in parse_qs(query.replace("+", "%2B")).items()}
        if unknown := sorted(set(options) - _OPTIONS):
            raise SourceError(f"{redact(url)}: unknown option {unknown[0]!r}; use {', '.join(sorted(_OPTIONS))}")
        pace = options.get("pace", "fast")
        if pace not in {"live", "fast"}:
            raise SourceError(f"{redact(url)}: pace={pace}; use live or fast")
        lead = _positive("lead", options["lead"], "seconds", url) if "lead" in options else 0.0
        return cls(
            "folder" if Path(path).is_dir() else "file",
            path,
            live=pace == "live" and not lead,
            loop=options.get("loop", "0").lower() in {"1", "true", "yes"},
            clock=_instant("clock", options["clock"], time_zone, url) if "clock" in options else None,
            fps=_positive("fps", options["fps"], "a number", url) if "fps" in options else None,
            since=_instant("since", options["since"], time_zone, url) if "since" in options else None,
            paced=pace == "live",
            stream=_number("stream", options["stream"], url) if "stream" in options else None,
            lead=lead,
        )


def _local_path(url: str) -> tuple[str, str]:
    """The path and the options of a local URL. A file with a ``?`` in its name, or with ``%``, is found too."""
    whole = url.removeprefix("file://").removeprefix("file:")
    if Path(whole).exists():
        return whole, ""
    path, _, query = whole.partition("?")
    decoded = unquote(path, errors="surrogateescape") if url.startswith("file:") else path
    return str(existing(Path(path if Path(path).exists() else decoded))), query


def _number(option: str, text: str, url: str) -> int:
    if not text.isdecimal():
        raise SourceError(f"{redact(url)}: {option}={text}; use 0, 1, ...")
    return int(text)


def _instant(option: str, text: str, time_zone: str, url: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SourceError(f"{redact(url)}: {option}={text}; write it like 2026-01-15T02:00:00+09:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(time_zone))).timestamp()


def _positive(option: str, text: str, unit: str, url: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1000:
        raise SourceError(f"{redact(url)}: {option}={text}; use {unit} above 0, at most 1000")
    return value
