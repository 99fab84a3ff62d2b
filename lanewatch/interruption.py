"""SIGINT (Ctrl-C) and SIGTERM: every command ends on them without a traceback."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Interruption:
    """The last signal within ``handled``; None before one."""

    number: int | None = None

    @property
    def status(self) -> int:
        """The exit status of an interrupted command: 130 after SIGINT, 143 after SIGTERM; 0 without a signal."""
        return 0 if self.number is None else 128 + self.number


def interrupt() -> None:
    """Raises ``KeyboardInterrupt``, also for SIGTERM."""
    raise KeyboardInterrupt


@contextmanager
def handled(action: Callable[[], object]) -> Iterator[Interruption]:
    """Calls ``action`` on SIGINT and SIGTERM. It runs in the main thread; in another thread, nothing changes."""
    found = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return

    def handle(number: int, _: object) -> None:
        found.number = number
        action()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
