"""The command line: a table of the commands. Each is written in the package that it runs and imported when called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence

COMMANDS = {
    "demo": ("api.cli:demo", "play the bundled clip through the whole pipeline and show its events"),
    "run": ("api.cli:run", "run a whole site in one process"),
    "status": ("streams.cli:status", "show a city's stages, their lag and its cameras, what is wrong first"),
    "sample": ("streams.cli:sample", "sample a city's cameras, as one of any number of nodes"),
    "detect": ("detectors.cli:detect", "look at a city's frames, as one of any number of workers"),
    "watch": ("detectors.cli:watch", "judge what is seen at a city's cameras, as one of any number of watchers"),
    "correlate": ("detectors.cli:correlate", "find what spans a city's cameras"),
    "serve": ("api.cli:serve", "serve a city's events: store, evidence, API and console"),
    "keep": ("streams.cli:keep", "keep a city's detections, to be scored again later"),
    "publish": ("streams.cli:publish", "make a site file hold in the city"),
    "drain": ("streams.cli:drain", "have a sampler hand its cameras over and end"),
    "migrate": ("streams.cli:migrate", "move a camera to another source without a gap, after a comparison"),
    "rescore": ("detectors.cli:rescore", "score recorded footage or kept detections again"),
    "evaluate": ("detectors.evaluation.cli:evaluate", "compare events with what happened, by a protocol"),
    "simulate": ("streams.simulator.cli:simulate", "make up nights at rural lanes, as if a detector had watched"),
    "check": ("detectors.cli:check", "validate a site file, with file, line and the mend"),
    "models": ("models.cli:models", "list the detectors, and say how to get those that are missing"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; its exit status is returned, 2 where the call itself was wrong."""
    parser = argparse.ArgumentParser(
        prog="lanewatch",
        description="Watches CCTV and raises scored events, with the reason and the evidence.",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary) in COMMANDS.items():
        subparsers.add_parser(name, help=summary, add_help=False)
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = parser.parse_args(arguments[:1]).command
    return _load(chosen)(arguments[1:])


def _load(command: str) -> Callable[[list[str]], int]:
    module, function = COMMANDS[command][0].split(":")
    run: Callable[[list[str]], int] = getattr(importlib.import_module(module), function)
    return run
