"""A stage as a separate process: its name, log, metrics, traces and shutdown."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server
from pythonjsonlogger.json import JsonFormatter

from lanewatch import tracing

FIELDS = ("camera", "topic", "partition", "offset", "stage", "reason", "suppressed")
"""Fields of ``extra`` that a log line may have. JSON logs have them as keys; text logs append them in brackets."""


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


def formatter(kind: str) -> logging.Formatter:
    """The log formatter: ``text``, or ``json`` with one object a line, times in UTC."""
    if kind == "text":
        return TextFormatter()
    return JsonFormatter(
        ["levelname", "name", "message"],
        timestamp="time",
        rename_fields={"levelname": "level", "name": "logger"},
        json_ensure_ascii=False,
    )


def configure_log(kind: str, level: int) -> None:
    """Writes the log to stderr as ``text`` or ``json``; ``level`` is the lowest level of Lanewatch's own lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(kind))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("lanewatch").setLevel(level)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of every stage's command."""
    parser.add_argument("--node", default=None, help="this process's name, the same after a restart, such as gpu-1")
    parser.add_argument(
        "--metrics-port", type=int, default=None, help="loopback port of Prometheus metrics; 0 for any free port"
    )
    parser.add_argument("--log", choices=("text", "json"), default="text", help="format of the log on stderr")


def node_name(arguments: argparse.Namespace) -> str:
    """This process's name: ``--node``, or else the machine's name."""
    return str(arguments.node or socket.gethostname())


@contextmanager
def process(arguments: argparse.Namespace, stage: str = "stage") -> Iterator[threading.Event]:
    """Sets up log, metrics and traces. SIGINT and SIGTERM set the event, and then the stage should shut down.

    ``arguments`` has the options of ``add_options``; ``stage`` is its name in traces.
    """
    configure_log(arguments.log, logging.INFO)
    # While a broker is down, the client library logs every attempt, on a busy machine ten times a second. Our own
    # loops log its exceptions, once a minute.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    if arguments.metrics_port is not None:
        server, _ = start_http_server(arguments.metrics_port, addr="127.0.0.1")
        logging.getLogger("lanewatch").info("metrics on http://127.0.0.1:%d/metrics", server.server_port)
    tracing.configure(stage)
    faulthandler.register(signal.SIGUSR1)  # prints the stack of every thread of a process that hangs
    stop = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler_before in previous.items():
            signal.signal(number, handler_before)


class PrintedErrors:
    """A context that prints expected errors to stderr instead of raising them.

    Args:
        complete: errors whose messages need no prefix.
        others: errors whose messages get the program's name before them.
    """

    def __init__(
        self, *complete: type[Exception], others: tuple[type[Exception], ...] = (OSError, ValueError, KeyError)
    ) -> None:
        self._complete, self._others = complete, others

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if isinstance(error, self._complete):
            print(error, file=sys.stderr)  # noqa: T201
            return True
        if isinstance(error, self._others):
            text = error.args[0] if isinstance(error, KeyError) else error
            print(f"lanewatch: {text}", file=sys.stderr)  # noqa: T201
            return True
        return False
