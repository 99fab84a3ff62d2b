"""The command line: a table of the commands. Each is in the package that it runs, and is imported when called."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import importlib
import importlib.metadata
import os
import signal
import sys
from collections.abc import Callable, Sequence

from lanewatch import interruption, logs

COMMANDS = {
    "demo": ("api.cli:demo", "play the bundled clip through the whole pipeline and show its events"),
    "run": ("api.cli:run", "run a whole site in one process"),
    "status": ("streams.cli:status", "show stages, lag and cameras of a deployment, problems first"),
    "sample": ("streams.cli:sample", "sample the cameras, as one of any number of nodes"),
    "detect": ("detectors.cli:detect", "detect objects in the frames, as one of any number of workers"),
    "watch": ("detectors.cli:watch", "turn detections into events, as one of any number of watchers"),
    "correlate": ("detectors.cli:correlate", "find events that span cameras"),
    "serve": ("api.cli:serve", "store and serve the events: evidence, API and console"),
    "keep": ("streams.cli:keep", "archive the detections, so that they can be scored again"),
    "publish": ("streams.cli:publish", "publish a site file, so that it takes effect in the deployment"),
    "drain": ("streams.cli:drain", "make a sampler hand over its cameras and end"),
    "migrate": ("streams.cli:migrate", "move a camera to another source without a gap, after a comparison"),
    "rescore": ("detectors.cli:rescore", "score recorded footage or archived detections again"),
    "evaluate": ("detectors.evaluation.cli:evaluate", "compare events with ground truth, by a protocol"),
    "simulate": ("streams.simulator.cli:simulate", "simulate nights at rural lanes, as detections"),
    "check": ("detectors.cli:check", "validate a site file; report each problem with line and fix"),
    "models": ("models.cli:models", "list the detectors, and how to get the missing ones"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status; 2 if the arguments are wrong.

    An interrupted command returns 130 or 143. Commands that serve end cleanly by themselves.
    """
    with interruption.handled(interruption.interrupt) as interrupted:
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        except BaseException:  # a library that is just being imported turns the interrupt into an error of its own
            if interrupted.number is None:
                raise
            print("lanewatch: interrupted", file=sys.stderr)
            return interrupted.status


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="lanewatch", description="Watches CCTV and raises scored events with explanation and evidence."
    )
    parser.add_argument("--version", action="version", version=f"lanewatch {importlib.metadata.version('lanewatch')}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary) in COMMANDS.items():
        subparsers.add_parser(name, help=summary, add_help=False)
    chosen = parser.parse_args(arguments[:1]).command
    logs.configure()
    module, function = COMMANDS[chosen][0].split(":")
    run: Callable[[list[str]], int] = getattr(importlib.import_module(module), function)
    return run(arguments[1:])


def process() -> None:
    """The whole process: the command line, and then the end without the threads that still run.

    Threads in libav or OpenVINO crash ("terminate called") if the interpreter is taken down under them.
    """
    status: int | str | None = 1

    def end() -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status if isinstance(status, int) else int(bool(status)))

    atexit.register(end)  # the first one is called last
    try:
        status = main()
    except SystemExit as error:
        status = error.code
        raise
    for number in interruption.SIGNALS:
        signal.signal(number, signal.SIG_DFL)
