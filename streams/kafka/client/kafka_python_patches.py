"""kafka-python's network client, for records of 40 KB: it reads in larger pieces and is woken less often.

Either takes its place by a client's setting ``kafka_client``. What they replace are details of kafka-python 3.0, which
the tests hold; where a later release has others, they have no effect.
"""

from __future__ import annotations

import ssl
import time
from functools import partial
from typing import Any

from kafka import KafkaConsumer
from kafka.coordinator.base import MemberState
from kafka.errors import KafkaConnectionError
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector


class PatchedConsumer(KafkaConsumer):  # type: ignore[misc]  # kafka-python has no types
    """kafka-python 3.0.12 begins to join anew where a refresh of the metadata lacks the topic for a moment; when the
    next refresh has it again it thinks that there is nothing to join, and forgets the join that is under way. Its
    heartbeats stay switched off then: it is thrown out of the group, and reads its old partitions for ever.

    So at each poll a join that was begun is seen through.
    """

    def poll(self, *arguments: Any, **settings: Any) -> Any:
        """See ``KafkaConsumer.poll``."""
        coordinator = self._coordinator
        if coordinator.state is MemberState.REBALANCING and not coordinator.need_rejoin():
            coordinator.request_rejoin()
        return super().poll(*arguments, **settings)


READ_BYTES = 1 << 20
"""kafka-python reads 4 KB at a time: ten calls for a frame, and each may wait for the interpreter's lock."""

PAUSE_S = 0.002
"""Woken at each record, and at the end of each batch's linger, kafka-python's thread walks over all partitions and
batches several thousand times a second; while an answer is under way it spins. That was half of a sender's time."""

_LATER = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class LargeReadClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """Reads as much as is there."""

    def __init__(self, **configs: Any) -> None:
        net = NetworkSelector(**configs)
        super().__init__(net=net, manager=_LargeReadManager(net, **configs), **configs)


class ThrottledClient(LargeReadClient):
    """A producer's: wakes, and is woken, at most once in ``PAUSE_S``; nothing waits longer than that for it."""

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
            timeout_ms = pause_ms  # 0 with a request under way is the spinning; its answer ends the wait
        # A call of wakeup that was left out came either before here, or so soon after the last one that it is recent.
        if self._missed or time.monotonic() - self._woken_at < PAUSE_S:
            self._missed = False
            timeout_ms = pause_ms if timeout_ms is None else min(timeout_ms, pause_ms)
        super().poll(timeout_ms, future)


class _LargeReadManager(KafkaConnectionManager):  # type: ignore[misc]
    async def _build_transport(self, *args: Any, **settings: Any) -> Any:
        transport = await super()._build_transport(*args, **settings)
        transport._sock_recv = partial(_received, transport)
        transport.write = partial(_write, transport.write)
        return transport


def _write(write: Any, data: Any) -> None:
    """Over TLS what could not be sent at once is sliced, which copies bytes: megabytes for each 16 KB."""
    write(memoryview(data))


def _received(transport: Any) -> tuple[bytes, KafkaConnectionError | None]:
    """All that is there, and what is wrong with the connection."""
    received: list[bytes] = []
    error = None
    while True:
        try:
            data = transport._sock.recv(READ_BYTES)
        except _LATER:
            break
        except OSError as failed:
            error = KafkaConnectionError(f"{transport}: {failed}")
            break
        if not data:
            error = KafkaConnectionError(f"{transport}: the broker closed the connection")
            break
        received.append(data)
        if len(data) < READ_BYTES and not isinstance(transport._sock, ssl.SSLSocket):
            break  # TLS may hold more that it has already read, and the selector does not see it
    return b"".join(received), error
