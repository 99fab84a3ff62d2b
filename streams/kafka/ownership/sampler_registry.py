"""Who samples which camera, and who is asked to leave: a compacted topic that every sampler follows."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import msgspec
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from streams.kafka.client.connection import Broker
from streams.kafka.client.producers import ReliableProducer
from streams.kafka.client.topics import Topics
from streams.kafka.codec import KIND, CodecError, Message
from streams.kafka.consumer.table_follower import TableFollower

HOLDING = b"holding/1"
LEAVE = b"leave/1"

ASKED = "@leave/"
"""Before a node's name it makes a key of its own: no camera's id begins with an @."""

SEND_S = 10.0


class Ownership(msgspec.Struct, frozen=True):
    """A process whose frames of a camera have begun to come.

    Attributes:
        node: its name.
        process: tells one process of that name from the next.
        epoch, slot: of its first frame.
        told_at: wall clock, seconds UTC.
    """

    node: str
    process: str
    epoch: int
    slot: int
    told_at: float


class LeaveRequest(msgspec.Struct, frozen=True):
    """A node is to hand its cameras over and end; processes that begin later are not meant."""

    node: str
    told_at: float


class SamplerRegistry:
    """Follows the topic, and writes to it; a context manager.

    Args:
        broker: the site's.
        topics: whose ``holders`` it is.
    """

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._broker = broker
        self._name = topics.holders.name
        self._holding: dict[str, Ownership] = {}
        self._leave: dict[str, LeaveRequest] = {}
        self._sender: ReliableProducer | None = None
        self._follower = TableFollower(broker, "sample", self._name, 1, self._take)

    def __enter__(self) -> SamplerRegistry:
        self._follower.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._follower.__exit__(kind, error, trace)
        if self._sender is not None:
            self._sender.close(1.0)

    def read(self, timeout_s: float = 30.0) -> None:
        """Waits until all is read that was there at the beginning.

        Raises:
            BrokerError: it took longer, or the broker refuses.
        """
        self._follower.read(timeout_s)

    def of(self, camera: str) -> Ownership | None:
        """Whose frames of a camera came last to begin."""
        return self._holding.get(camera)

    @property
    def all(self) -> dict[str, Ownership]:
        """By camera."""
        return dict(self._holding)

    def asked(self, node: str) -> float | None:
        """When a node was last asked to leave, wall clock; None if never."""
        leave = self._leave.get(node)
        return None if leave is None else leave.told_at

    def tell(self, camera: str, holding: Ownership) -> None:
        """Says that a camera's frames have begun to come from a process.

        Raises:
            kafka.errors.KafkaError: the broker can't be reached.
        """
        self._send(camera, HOLDING, holding)

    def ask(self, node: str) -> None:
        """Asks a node to leave, and waits until the broker has it.

        Raises:
            BrokerError: the broker can't be reached.
        """
        try:
            self._send(ASKED + node, LEAVE, LeaveRequest(node, time.time())).get(SEND_S)
        except KafkaError as error:
            raise self._broker.explained(error) from error

    def _send(self, key: str, kind: bytes, value: Ownership | LeaveRequest) -> Any:
        if self._sender is None:
            self._sender = ReliableProducer(self._broker, max_block_ms=200)
        message = Message(key.encode(), msgspec.json.encode(value), [(KIND, kind)])
        return self._sender.send(self._name, 0, message)

    def _take(self, record: ConsumerRecord) -> None:
        kind = dict(record.headers).get(KIND)
        try:
            if kind == HOLDING:
                self._holding[record.key.decode()] = msgspec.json.decode(record.value, type=Ownership)
                return
            if kind == LEAVE:
                leave = msgspec.json.decode(record.value, type=LeaveRequest)
                self._leave[leave.node] = leave
                return
        except (msgspec.DecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
            raise CodecError(record, f"no word of a sampler ({error})", "unreadable") from error
        raise CodecError(record, f"{kind!r} is neither {HOLDING!r} nor {LEAVE!r}")
