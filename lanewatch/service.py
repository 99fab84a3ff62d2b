"""A stage as a separate process: its name, log, metrics, traces and shutdown."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server

from lanewatch import interruption, logs, tracing


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of every stage's command."""
    parser.add_argument("--node", default=None, help="this process's name, the same after a restart, such as gpu-1")
    parser.add_argument(
        "--metrics-port", type=port, default=None, help="loopback port of Prometheus metrics; 0 for any free port"
    )
    parser.add_argument("--log", choices=("text", "json"), default="text", help="format of the log on stderr")


def port(text: str) -> int:
    """The type of an option that is a TCP port; 0 is any free port."""
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{text}: a port is at most 65535")
    return number


def add_language(parser: argparse.ArgumentParser, default: str = "en") -> None:
    """Adds the language of a command's tables."""
    parser.add_argument(
        "--lang", "--language", dest="language", choices=("ko", "en"), default=default,
        help=f"language of the tables: Korean or English (default: {default})",
    )  # fmt: skip


def node_name(arguments: argparse.Namespace) -> str:
    """This process's name: ``--node``, or else the machine's name."""
    return str(arguments.node or socket.gethostname())


@contextmanager
def process(arguments: argparse.Namespace, stage: str = "stage", *, lasting: bool = True) -> Iterator[threading.Event]:
    """Sets up log, metrics and traces. SIGINT and SIGTERM set the event, and then the stage should shut down.

    ``arguments`` has the options of ``add_options``; ``stage`` is its name in traces. A command that is not
    ``lasting`` is interrupted instead, and its event is never set.
    """
    logs.configure(arguments.log, level=logging.INFO)
    if arguments.metrics_port is not None:
        server, _ = start_http_server(arguments.metrics_port, addr="127.0.0.1")
        logging.getLogger("lanewatch").info("metrics on http://127.0.0.1:%d/metrics", server.server_port)
    tracing.configure(stage)
    faulthandler.register(signal.SIGUSR1)  # prints the stack of every thread of a process that hangs
    stop = threading.Event()
    with interruption.handled(stop.set) if lasting else contextlib.nullcontext():
        yield stop


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
