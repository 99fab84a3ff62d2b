"""``python -m lanewatch``: the command line."""

from lanewatch.cli import process

process()
