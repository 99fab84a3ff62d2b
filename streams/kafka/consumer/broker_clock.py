"""The broker's clock, as far as it can be told from what it stamps: ages are right on a machine whose clock is not."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

WINDOW_S = 10.0
"""A broker whose clock is set anew is believed after so long at most; every second of work brings many samples."""

WRONG_S = 2.0
"""A clock this far off is worth telling: synchronised ones keep within milliseconds."""


class BrokerClock:
    """How old records are by the broker's own clock.

    A record that is here has been stamped before now: our clock less its stamp is an upper bound of how far ours is
    ahead, and the least of many is the difference itself, but for the way of one record. Ours is the monotonic one,
    so that nobody who sets this machine's clock makes records old. May be used from many threads.

    Args:
        monotonic: seconds that only rise.
        wall: this machine's clock, seconds since the epoch.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._lock = threading.Lock()
        self._least = math.inf
        self._before = math.inf
        self._since = -math.inf

    def heard(self, stamped_at: float) -> None:
        """Takes the broker's stamp of a record that we have just had, or that it has just acknowledged to us."""
        now = self._monotonic()
        with self._lock:
            if now - self._since > WINDOW_S:
                self._before, self._least, self._since = self._least, math.inf, now
            self._least = min(self._least, now - stamped_at)

    def age(self, stamped_at: float) -> float:
        """Seconds since the broker stamped a record; 0 where no stamp has been heard yet."""
        ahead = self._ahead()
        return 0.0 if math.isinf(ahead) else max(0.0, self._monotonic() - stamped_at - ahead)

    @property
    def error(self) -> float | None:
        """This machine's clock less the broker's, in seconds; None where no stamp has been heard yet."""
        ahead = self._ahead()
        return None if math.isinf(ahead) else self._wall() - (self._monotonic() - ahead)

    def _ahead(self) -> float:
        with self._lock:
            return min(self._least, self._before)
