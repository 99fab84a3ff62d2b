"""A producer's network client that looks for work every two milliseconds, instead of at every record."""

from __future__ import annotations

import time
from typing import Any

from kafka.net.compat import KafkaNetClient

PAUSE_S = 0.002
"""Woken at each record, and at the end of each batch's linger, kafka-python's thread walks over all partitions and
batches several thousand times a second, which was a third of a sender's time."""


class PacedClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """Wakes, and is woken, at most once in ``PAUSE_S``; nothing waits longer than that for it.

    A producer takes it by its setting ``kafka_client``.
    """

    def __init__(self, **configs: Any) -> None:
        self._woken_at = 0.0
        self._missed = False
        super().__init__(**configs)

    def wakeup(self) -> None:
        """From any thread: there is work."""
        now = time.monotonic()
        if now - self._woken_at >= PAUSE_S:
            self._woken_at = now
            super().wakeup()
        else:
            self._missed = True

    def poll(self, timeout_ms: float | None = None, future: Any = None) -> None:
        """Waits for the network, the time, or ``wakeup``."""
        pause_ms = PAUSE_S * 1000
        if timeout_ms is not None and timeout_ms < pause_ms and (timeout_ms or self.in_flight_request_count()):
            timeout_ms = pause_ms  # 0 with a request under way is kafka-python's spinning until its answer is there
        # A call of wakeup that was left out came either before here, or so soon after the last one that it is recent.
        if self._missed or time.monotonic() - self._woken_at < PAUSE_S:
            self._missed = False
            timeout_ms = pause_ms if timeout_ms is None else min(timeout_ms, pause_ms)
        super().poll(timeout_ms, future)
