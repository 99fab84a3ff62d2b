"""A stage as a process of its own: its name, its log, its metrics, and how it is told to end."""

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

FIELDS = ("camera", "topic", "partition", "offset", "stage", "reason", "unsaid")
"""What a log's line may be about, by ``extra``: fields of their own as JSON, in brackets behind the text otherwise."""


class TextFormatter(logging.Formatter):
    """One line for people: the message, and in brackets what it is about and doesn't say itself."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        line = super().formatMessage(record)
        about = ((name, getattr(record, name, None)) for name in FIELDS if name != "unsaid")
        more = [
            f"{name}={value}"
            for name, value in about
            if value is not None and not (isinstance(value, str) and value in record.message)
        ]
        return f"{line} [{' '.join(more)}]" if more else line


def formatter(kind: str) -> logging.Formatter:
    """How a log is written: ``text``, or ``json`` with one object a line, times in UTC."""
    if kind == "text":
        return TextFormatter()
    return JsonFormatter(
        ["levelname", "name", "message"],
        timestamp="time",
        rename_fields={"levelname": "level", "name": "logger"},
        json_ensure_ascii=False,
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what every stage's command takes."""
    parser.add_argument("--node", default=None, help="a name of this process that outlives it, such as gpu-1")
    parser.add_argument(
        "--metrics-port", type=int, default=None, help="loopback port of Prometheus metrics; 0 takes a free one"
    )
    parser.add_argument("--log", choices=("text", "json"), default="text", help="how the log is written to stderr")


def node_name(arguments: argparse.Namespace) -> str:
    """What this process is called: the name that it was given, else this machine's."""
    return str(arguments.node or socket.gethostname())


@contextmanager
def process(arguments: argparse.Namespace, stage: str = "stage") -> Iterator[threading.Event]:
    """Sets up log, metrics and traces; SIGINT and SIGTERM set the event, upon which the stage is to end as planned.

    Args:
        arguments: with what ``add_options`` has added.
        stage: what traces call it.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(arguments.log))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("lanewatch").setLevel(logging.INFO)
    # While a broker is away the client library tells of every try, and a busy machine makes it warn of each tenth of a
    # second. What is wrong our own loops tell, once a minute, from what it raises.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    if arguments.metrics_port is not None:
        server, _ = start_http_server(arguments.metrics_port, addr="127.0.0.1")
        logging.getLogger("lanewatch").info("metrics on http://127.0.0.1:%d/metrics", server.server_port)
    tracing.configure(stage)
    faulthandler.register(signal.SIGUSR1)  # where every thread of a process that hangs is, on stderr
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, how in before.items():
            signal.signal(number, how)
