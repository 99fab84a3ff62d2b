"""A stage as a process of its own: its name, its log, its metrics, and how it is told to end."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server
from pythonjsonlogger.json import JsonFormatter


def options(parser: argparse.ArgumentParser) -> None:
    """Adds what every stage's command takes."""
    parser.add_argument("--node", default=None, help="a name of this process that outlives it, such as gpu-1")
    parser.add_argument(
        "--metrics-port", type=int, default=None, help="loopback port of Prometheus metrics; 0 takes a free one"
    )
    parser.add_argument("--log", choices=("text", "json"), default="text", help="how the log is written to stderr")


def node(arguments: argparse.Namespace) -> str:
    """What this process is called: the name that it was given, else this machine's."""
    return str(arguments.node or socket.gethostname())


@contextmanager
def running(arguments: argparse.Namespace) -> Iterator[threading.Event]:
    """Sets up log and metrics; SIGINT and SIGTERM set the event, upon which the stage is to end as planned."""
    handler = logging.StreamHandler(sys.stderr)
    if arguments.log == "json":
        handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("lanewatch").setLevel(logging.INFO)
    if arguments.metrics_port is not None:
        server, _ = start_http_server(arguments.metrics_port, addr="127.0.0.1")
        logging.getLogger("lanewatch").info("metrics on http://127.0.0.1:%d/metrics", server.server_port)
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, how in before.items():
            signal.signal(number, how)
