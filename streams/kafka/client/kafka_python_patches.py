"""Corrections to kafka-python 3.0: three for speed, three for correctness. Each names its figure or its test.

They replace details of kafka-python that are not public; the tests notice if a later release changes them.
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
from kafka.protocol import parser
from kafka.protocol.frame import KafkaBytes


def topic_id(consumer: KafkaConsumer, topic: str) -> str | None:
    """The id of a consumer's topic as last read from the broker: one that is created anew has another. None: missing.

    kafka-python reads it again when the broker no longer knows the topic, and after ``metadata_max_age_ms``.
    """
    id = consumer._cluster.topic_id(topic)
    return None if id is None else str(id)


class PatchedConsumer(KafkaConsumer):  # type: ignore[misc]  # kafka-python has no types
    """Keeps its partitions while the topic is missing, and completes every join of the group that was started.

    kafka-python 3.0.12 gives up all partitions when a metadata refresh lacks the topic. A sampler would stop its
    cameras, and a watcher would drop its states. Here the member joins again when the topic is back
    (``test_a_member_keeps_its_partitions_while_its_topic_is_missing``).

    If the next refresh has the topic again, kafka-python forgets the join that it has started. Its heartbeats then
    stay off, the group removes the member, and the member reads its old partitions for ever.
    ``test_a_forgotten_join_is_completed`` fails without this.
    """

    def __init__(self, **configs: Any) -> None:
        super().__init__(**configs)
        coordinator = self._coordinator
        build, need_rejoin = coordinator._build_metadata_snapshot, coordinator.need_rejoin

        def last_known(subscription: Any, cluster: Any) -> dict[str, set[int]]:
            found: dict[str, set[int]] = build(subscription, cluster)
            return {topic: found[topic] or coordinator._metadata_snapshot.get(topic, set()) for topic in found}

        def need_rejoin_now() -> bool:
            known = coordinator._subscription.subscription or ()
            return all(coordinator._cluster.partitions_for_topic(topic) for topic in known) and bool(need_rejoin())

        coordinator._build_metadata_snapshot = last_known
        coordinator.need_rejoin = need_rejoin_now

    def poll(self, *arguments: Any, **settings: Any) -> Any:
        """See ``KafkaConsumer.poll``."""
        coordinator = self._coordinator
        if coordinator.state is MemberState.REBALANCING and not coordinator.need_rejoin():
            coordinator.request_rejoin()
        return super().poll(*arguments, **settings)


READ_BYTES = 1 << 20
"""kafka-python reads 4 KB at a time: ten calls a frame, each of which may wait for the interpreter's lock. With 1 MB,
a reader needs 80 instead of 137 us of processor time a frame (``benchmarks.kafka``, 2026-11-22)."""

PAUSE_S = 0.002
"""kafka-python's thread wakes at each record and at each batch's linger, and walks over all partitions each time.
While a request is in flight it spins. At most one wake in 2 ms: 140 instead of 220 us a frame (the same run)."""

_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class LargeReadClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """Reads in large pieces. A client uses it through its setting ``kafka_client``."""

    def __init__(self, **configs: Any) -> None:
        net = NetworkSelector(**configs)
        super().__init__(net=net, manager=LargeReadManager(net, **configs), **configs)


class ThrottledClient(LargeReadClient):
    """A producer's client: wakes at most once in ``PAUSE_S``, and delays nothing for longer than that."""

    def __init__(self, **configs: Any) -> None:
        self._last_wakeup = 0.0
        self._wakeup_skipped = False
        super().__init__(**configs)

    def wakeup(self) -> None:
        """Ends the wait of ``poll``, from any thread."""
        now = time.monotonic()
        if now - self._last_wakeup >= PAUSE_S:
            self._last_wakeup = now
            super().wakeup()
        else:
            self._wakeup_skipped = True

    def poll(self, timeout_ms: float | None = None, future: Any = None) -> None:
        """Waits for the network, the time, or ``wakeup``."""
        pause_ms = PAUSE_S * 1000
        if timeout_ms is not None and timeout_ms < pause_ms and (timeout_ms or self.in_flight_request_count()):
            timeout_ms = pause_ms  # 0 with a request in flight is the spinning; its response ends the wait
        # A skipped wakeup happened before this point, or so soon after the last wakeup that this one is recent.
        if self._wakeup_skipped or time.monotonic() - self._last_wakeup < PAUSE_S:
            self._wakeup_skipped = False
            timeout_ms = pause_ms if timeout_ms is None else min(timeout_ms, pause_ms)
        super().poll(timeout_ms, future)


class LargeReadManager(KafkaConnectionManager):  # type: ignore[misc]
    """Connections that read in large pieces, and pass on the last response of a broker that then disconnects.

    kafka-python drops what came together with the end of the connection. That is the response to a wrong password:
    ``test_wrong_settings_are_reported_with_their_fix`` fails without this.
    """

    async def _build_transport(self, *args: Any, **settings: Any) -> Any:
        transport = await super()._build_transport(*args, **settings)
        transport._sock_recv = partial(_receive, transport, bytearray(READ_BYTES))
        write = transport.write
        # Over TLS kafka-python slices what could not be sent at once: megabytes are copied for each 16 KB.
        transport.write = lambda data: write(memoryview(data))
        return transport


class _ReadBuffer(KafkaBytes):  # type: ignore[misc]
    """The bytes of a response, which are decoded in place. kafka-python copies each response twice before.

    With this and one buffer for all reads, a reader needs 120 instead of 166 us a frame (``benchmarks.kafka``).
    """

    def read(self, nbytes: int | None = None) -> bytes | memoryview:
        """So many bytes, or all that are left."""
        if nbytes is not None:
            few: bytes = super().read(nbytes)
            return few
        rest = memoryview(self)[self.tell() :]
        self.seek(len(self))
        return rest


parser.KafkaBytes = _ReadBuffer


def _receive(transport: Any, buffer: bytearray) -> tuple[bytes | memoryview, KafkaConnectionError | None]:
    """What is available, valid until the next call; or the error of the connection if there is nothing."""
    if isinstance(transport._sock, ssl.SSLSocket):
        return _receive_all(transport)
    try:
        size = transport._sock.recv_into(buffer)
    except _WOULD_BLOCK:
        return b"", None
    except OSError as failure:
        return b"", KafkaConnectionError(f"{transport}: {failure}")
    if not size:
        return b"", KafkaConnectionError(f"{transport}: the broker closed the connection")
    return memoryview(buffer)[:size], None


def _receive_all(transport: Any) -> tuple[bytes, KafkaConnectionError | None]:
    """All that is available over TLS: the socket may hold bytes that the selector does not see."""
    received: list[bytes] = []
    error = None
    while True:
        try:
            data = transport._sock.recv(READ_BYTES)
        except _WOULD_BLOCK:
            break
        except OSError as failure:
            error = KafkaConnectionError(f"{transport}: {failure}")
            break
        if not data:
            error = KafkaConnectionError(f"{transport}: the broker closed the connection")
            break
        received.append(data)
    return b"".join(received), None if received else error
