"""The command line: a table of the commands. Each is written in the package that it runs and imported when called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence

COMMANDS = {
    "demo": ("api.commands:demo", "play the bundled clip through the whole pipeline and show its events"),
    "run": ("api.commands:run", "run a whole site in one process"),
    "status": ("streams.commands:status", "show a city's stages, their lag and its cameras, what is wrong first"),
    "sample": ("streams.commands:sample", "sample a city's cameras, as one of any number of nodes"),
    "detect": ("detectors.commands:detect", "look at a city's frames, as one of any number of workers"),
    "watch": ("detectors.commands:watch", "judge what is seen at a city's cameras, as one of any number of watchers"),
    "correlate": ("detectors.commands:correlate", "find what spans a city's cameras"),
    "serve": ("api.commands:serve", "serve a city's events: store, evidence, API and console"),
    "keep": ("streams.commands:keep", "keep a city's detections, to be scored again later"),
    "publish": ("streams.commands:publish", "make a site file hold in the city"),
    "drain": ("streams.commands:drain", "have a sampler hand its cameras over and end"),
    "migrate": ("streams.commands:migrate", "move a camera to another source without a gap, after a comparison"),
    "rescore": ("detectors.commands:rescore", "score recorded footage or kept detections again"),
    "evaluate": ("detectors.evaluation.commands:evaluate", "compare events with what happened, by a protocol"),
    "simulate": ("streams.simulator.commands:simulate", "make up nights at rural lanes, as if a detector had watched"),
    "check": ("detectors.commands:check", "validate a site file, with file, line and the mend"),
    "models": ("models.commands:models", "list the detectors, and say how to get those that are missing"),
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
