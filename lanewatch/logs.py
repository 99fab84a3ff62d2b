"""The log of every command on stderr: lines with time and level, and a count of what repeats."""

from __future__ import annotations

import copy
import logging
import sys
import time
from typing import Literal, TextIO

from lanewatch import progress

FIELDS = ("camera", "topic", "partition", "offset", "stage", "reason", "suppressed")
"""Fields of ``extra`` that a log line may have. JSON logs have them as keys; text logs append them in brackets."""
REPEAT_S = 60.0
"""The same line is written once in this time. The next one has the count of those left out."""
_MAX_REMEMBERED = 1_000


class TextFormatter(logging.Formatter):
    """One line of text: the message, and in brackets the fields whose values it does not contain."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        line = super().formatMessage(record)
        fields = ((name, getattr(record, name, None)) for name in FIELDS if name != "suppressed")
        more = [
            f"{name}={value}"
            for name, value in fields
            if value is not None and not (isinstance(value, str) and value in record.message)
        ]
        return f"{line} [{' '.join(more)}]" if more else line


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes to stderr, above a progress bar. Counts equal lines instead of writing them all.

    The counts that are left are written at the end of the process.
    """

    def __init__(self, *, repeat_s: float = REPEAT_S) -> None:
        logging.Handler.__init__(self)
        self._repeat_s = repeat_s
        self._written: dict[tuple[str, int, str], tuple[float, logging.LogRecord, int]] = {}

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """The present ``sys.stderr``, which may have been replaced."""
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record, or only counts it."""
        key, now = (record.name, record.levelno, record.getMessage()), time.monotonic()
        written_at, _, suppressed = self._written.get(key, (now - self._repeat_s, record, 0))
        if now - written_at < self._repeat_s:
            self._written[key] = written_at, record, suppressed + 1
            return
        self._write(record, suppressed)
        self._written.pop(key, None)
        self._written[key] = now, record, 0
        if len(self._written) > _MAX_REMEMBERED:
            self._write_count(next(iter(self._written)))

    def close(self) -> None:
        """Writes the counts that are left."""
        for key in list(self._written):
            self._write_count(key)
        super().close()

    def _write_count(self, key: tuple[str, int, str]) -> None:
        _, record, suppressed = self._written.pop(key)
        if suppressed:
            self._write(record, suppressed)

    def _write(self, record: logging.LogRecord, suppressed: int) -> None:
        if suppressed:
            record = copy.copy(record)
            record.msg, record.args = f"{record.getMessage()} (and {suppressed} more like it)", None
            record.suppressed = suppressed
        with progress.hidden():
            super().emit(record)


def formatter(kind: Literal["text", "json"]) -> logging.Formatter:
    """The log formatter: ``text``, or ``json`` with one object a line, times in UTC."""
    if kind == "text":
        return TextFormatter()
    from pythonjsonlogger.json import JsonFormatter

    return JsonFormatter(
        ["levelname", "name", "message"],
        timestamp="time",
        rename_fields={"levelname": "level", "name": "logger"},
        json_ensure_ascii=False,
    )


def configure(kind: Literal["text", "json"] = "text", *, level: int = logging.WARNING) -> None:
    """Sets up the log of this process. ``level`` is that of Lanewatch; other libraries log from WARNING on."""
    root = logging.getLogger()
    for former in [handler for handler in root.handlers if isinstance(handler, LogHandler)]:
        root.removeHandler(former)
        former.close()
    handler = LogHandler()
    handler.setFormatter(formatter(kind))
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("lanewatch").setLevel(level)
    # While a broker is down, the client library logs every attempt, on a busy machine ten times a second. Our own
    # loops log its exceptions, once a minute.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
