"""The broker's clock, estimated from its record timestamps. So ages are right although this machine's clock is not."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

WINDOW_S = 10.0
"""After the broker's clock is set, the estimate is right again within twice this time. A busy stage has many samples
a second."""

WRONG_S = 2.0
"""A drift above this is logged. Synchronised clocks differ by milliseconds."""


class BrokerClock:
    """How old records are by the broker's own clock. Thread-safe.

    A received record was stamped in the past. So our clock minus its timestamp is an upper bound of our clock's lead.
    The smallest of many such values is the lead, plus the shortest transfer time of a record. Our clock is the
    monotonic one: setting this machine's wall clock does not make records old.

    Args:
        wall: This machine's wall clock, seconds UTC.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._lock = threading.Lock()
        self._window_minimum = math.inf
        self._previous_minimum = math.inf
        self._window_start = -math.inf

    def observe(self, stamped_at: float) -> None:
        """Adds the broker's timestamp of a record that was just received, or just acknowledged."""
        now = time.monotonic()
        with self._lock:
            if now - self._window_start > WINDOW_S:
                self._previous_minimum, self._window_minimum, self._window_start = self._window_minimum, math.inf, now
            self._window_minimum = min(self._window_minimum, now - stamped_at)

    def age(self, stamped_at: float) -> float:
        """Seconds since the broker stamped a record; 0 if no timestamp was observed yet."""
        lead = self._lead()
        return 0.0 if math.isinf(lead) else max(0.0, time.monotonic() - stamped_at - lead)

    @property
    def drift(self) -> float | None:
        """This machine's wall clock minus the broker's, in seconds; None if no timestamp was observed yet."""
        lead = self._lead()
        return None if math.isinf(lead) else self._wall() - (time.monotonic() - lead)

    def _lead(self) -> float:
        with self._lock:
            return min(self._window_minimum, self._previous_minimum)
