"""The progress of a long task on stderr: a bar on a terminal and in a notebook, otherwise a plain line now and then."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")

DELAY_S = 2.0
"""A shorter task shows nothing."""
LINE_S = 10.0
"""Seconds between two plain lines."""
_COUNTED = "{n:.0f}/{total:.0f}{unit} ({percentage:.0f} %), {rate_noinv_fmt}, {remaining} left"
_UNCOUNTED = "{n:.0f}{unit}, {rate_noinv_fmt}, {elapsed} so far"


class Progress(contextlib.AbstractContextManager["Progress"]):
    """Counts the finished part of a task; a context manager.

    Args:
        task: Its name at the beginning of each line.
        total: Amount of the whole task; None if it is unknown.
        unit: Of the amounts.
        quiet: Shows nothing.
    """

    def __init__(self, task: str, total: float | None = None, *, unit: str = "", quiet: bool = False) -> None:
        self._task, self._unit, self._quiet = task, f" {unit}" if unit else "", quiet
        self._total = total
        self._bar: tqdm[NoReturn] | None = None
        self._done = 0.0
        self._lines_from = time.monotonic()
        self._line_at = self._lines_from + LINE_S

    def __enter__(self) -> Progress:
        if not self._quiet and _shows_bars():
            from tqdm import tqdm

            text = _COUNTED if self._total else _UNCOUNTED
            self._bar = tqdm(
                total=self._total,
                desc=self._task,
                unit=self._unit,
                delay=DELAY_S,
                leave=False,
                ncols=shutil.get_terminal_size().columns - 1,
                nrows=20,  # tqdm hides the bar on a terminal of unknown height, such as a container's
                bar_format="{desc}: |{bar}| " + text if self._total else "{desc}: " + text,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, amount: float = 1) -> None:
        """Adds to the finished part. One thread calls it."""
        if self._bar is not None:
            self._bar.update(amount)
            return
        self._done += amount
        if not self._quiet and time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + LINE_S
            self._write_line()

    def through(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items; each adds 1."""
        for item in items:
            yield item
            self.add()

    def _write_line(self) -> None:
        from tqdm import tqdm

        elapsed, text = time.monotonic() - self._lines_from, _COUNTED if self._total else _UNCOUNTED
        total: Any = self._total  # the stubs omit that None is allowed
        line = tqdm.format_meter(
            self._done, total, elapsed, prefix=self._task, unit=self._unit, bar_format="{desc}: " + text
        )
        print(line, file=sys.stderr, flush=True)  # noqa: T201


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds ``--quiet`` to a command that may take longer."""
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Hides the bars while something else is written to the terminal."""
    if "tqdm" not in sys.modules:
        yield
        return
    from tqdm import tqdm

    with tqdm.external_write_mode():
        yield


def _shows_bars() -> bool:
    """Whether stderr is a terminal, or the output of a notebook's cell."""
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel.")
