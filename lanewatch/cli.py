"""The command line: a table of the commands. Each is in the package that it runs, and is imported when called."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Sequence

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
    """Runs one command and returns its exit status; 2 if the arguments are wrong."""
    parser = argparse.ArgumentParser(
        prog="lanewatch", description="Watches CCTV and raises scored events with explanation and evidence."
    )
    parser.add_argument("--version", action="version", version=f"lanewatch {importlib.metadata.version('lanewatch')}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary) in COMMANDS.items():
        subparsers.add_parser(name, help=summary, add_help=False)
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = parser.parse_args(arguments[:1]).command
    module, function = COMMANDS[chosen][0].split(":")
    run: Callable[[list[str]], int] = getattr(importlib.import_module(module), function)
    return run(arguments[1:])
