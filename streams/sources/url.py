"""Where a camera's pictures come from: its URL, taken apart, and never printed with its password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

Kind = Literal["rtsp", "http", "file", "folder"]

_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_SECRET = re.compile(r"(?i)([?&;](?:[a-z0-9_-]*(?:pass|pwd|token|secret|auth|key|sig)[a-z0-9_-]*)=)[^&;#\s'\"]+")
_RECORDED = {".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".ts", ".mpg", ".mpeg"}
_OPTIONS = {"loop", "clock", "pace", "fps", "since", "lead"}


class SourceError(Exception):
    """A source that cannot be played and that waiting will not mend: says which, what is wrong and what to do."""


def redact(text: str) -> str:
    """The text with the user and password of every URL in it, and secrets in queries, replaced by ``***``.

    Everything between ``://`` and the last ``@`` before a slash goes, so that a password with an ``@`` in it does
    not leave its tail behind.
    """
    return _SECRET.sub(r"\1***", _USERINFO.sub("***@", text))


@dataclass(frozen=True)
class LiveAnchor:
    """Ties a recording that is played live to the wall clock: whoever opens it, and when, is at the same place.

    Attributes:
        since: wall time at which the first picture was shown, seconds UTC.
        clock: capture time of that picture, seconds UTC.
    """

    since: float
    clock: float

    def capture(self, wall: float) -> float:
        """Capture time of what is shown at a wall time."""
        return self.clock + wall - self.since

    def wall(self, captured_at: float) -> float:
        """When it is shown."""
        return self.since + captured_at - self.clock


@dataclass(frozen=True)
class SourceUrl:
    """A camera's URL, taken apart.

    Attributes:
        kind: what opens it.
        target: the URL for a network camera, the path for a file or folder.
        live: what comes is now or never: a network camera, or a file played at its own pace.
        paced: a file is played at its own pace.
        loop: a file starts again when it has ended, its capture time going on.
        clock: capture time of the first picture, seconds UTC; None: the source's own.
        fps: pictures a second that replace what the container says; None: the container's.
        since: wall time at which a file played live showed its first picture, seconds UTC; None: when it is opened.
        lead: seconds at a paced file's beginning that are played as fast as they go. Such a file waits for the
            detector and is not ``live``.
    """

    kind: Kind
    target: str
    live: bool
    loop: bool = False
    clock: float | None = None
    fps: float | None = None
    since: float | None = None
    paced: bool = False
    lead: float = 0.0

    @property
    def anchor(self) -> LiveAnchor | None:
        """What ties a file to the wall clock; None unless it is played live and ``since`` is given."""
        if self.since is None or not self.live:
            return None
        return LiveAnchor(self.since, self.since if self.clock is None else self.clock)

    def __repr__(self) -> str:
        return f"Address({redact(self.target)!r})"

    @classmethod
    def parse(cls, url: str, *, time_zone: str = "UTC") -> SourceUrl:
        """Takes a URL or a path apart.

        A file is played as fast as it goes (``pace=fast``) unless ``pace=live`` is asked for. A ``clock`` or ``since``
        without an offset is in ``time_zone``. A recording over HTTP is known by its suffix; any other HTTP answer is
        a camera's.

        Raises:
            SourceError: no such scheme, option or value.
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
        path, _, query = url.removeprefix("file://").removeprefix("file:").partition("?")
        path = unquote(path) if url.startswith("file://") else path
        options = {name: values[-1] for name, values in parse_qs(query.replace("+", "%2B")).items()}
        if unknown := sorted(set(options) - _OPTIONS):
            raise SourceError(
                f"{redact(url)}: unknown option {unknown[0]!r}; a file takes {', '.join(sorted(_OPTIONS))}"
            )
        pace = options.get("pace", "fast")
        if pace not in {"live", "fast"}:
            raise SourceError(f"{redact(url)}: pace={pace}; it is live or fast")
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
            lead=lead,
        )


def _instant(option: str, text: str, time_zone: str, url: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SourceError(f"{redact(url)}: {option}={text}; write it like 2026-01-15T02:00:00+09:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(time_zone))).timestamp()


def _positive(option: str, text: str, what: str, url: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1000:
        raise SourceError(f"{redact(url)}: {option}={text}; it is {what} above 0, at most 1000")
    return value
