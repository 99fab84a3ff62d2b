"""How far a partition has been dealt with, where records are finished in another order than they came."""

from __future__ import annotations

import threading
from collections import deque


class Progress:
    """Keeps which records of a partition are in hand; ``position`` is what may be committed.

    Records begin in the order of their offsets, in one thread; they may end in any order, in any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: deque[int] = deque()
        self._ended: set[int] = set()
        self._position: int | None = None

    def begin(self, offset: int) -> None:
        """A record has been taken in hand."""
        with self._lock:
            self._begun.append(offset)

    def end(self, offset: int) -> None:
        """A record is finished: what came of it is where it belongs."""
        with self._lock:
            self._ended.add(offset)
            while self._begun and self._begun[0] in self._ended:
                done = self._begun.popleft()
                self._ended.remove(done)
                self._position = done + 1

    @property
    def position(self) -> int | None:
        """The offset of the first record that is not finished, all before it being so; None before the first is."""
        with self._lock:
            return self._position
