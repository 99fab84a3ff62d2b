"""The compacted topic ``holders``: which sampler has which camera, and which samplers should leave."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from streams.kafka.client.connection import Broker
from streams.kafka.client.producers import ReliableProducer
from streams.kafka.client.topics import Topics
from streams.kafka.codec import KIND, CodecError, Message, kind_of
from streams.kafka.consumer.table_follower import TableFollower

OWNERSHIP = b"holding/1"
LEAVE = b"leave/1"

LEAVE_KEY = "@leave/"
"""Prefix of a leave request's key, before the node's name; no camera id starts with ``@``."""

ANNOUNCE_S = 0.2
"""An announcement waits so long for the broker: the sampler's loop repeats it, and the frames go on meanwhile."""
LEAVE_S = 10.0
"""A leave request waits so long for the broker, and again for its confirmation."""


class Ownership(msgspec.Struct, frozen=True):
    """A process whose frames of a camera have started to come, with epoch and slot of its first frame.

    ``process`` distinguishes processes of the same name. ``announced_at`` is wall clock, seconds UTC.
    """

    node: str
    process: str
    epoch: int
    slot: int
    announced_at: float = msgspec.field(name="told_at")


class LeaveRequest(msgspec.Struct, frozen=True):
    """A node should hand over its cameras and end; it does not apply to processes that start later."""

    node: str
    requested_at: float = msgspec.field(name="told_at")


class SamplerRegistry(TableFollower):
    """Follows the topic, and writes to it; a context manager."""

    def __init__(self, broker: Broker, topics: Topics) -> None:
        super().__init__(broker, "sample", topics.holders.name)
        self._owners: dict[str, Ownership] = {}
        self._leave_requests: dict[str, LeaveRequest] = {}
        self._sender: ReliableProducer | None = None

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._sender is not None:
            self._sender.close(1.0)

    def owner(self, camera: str) -> Ownership | None:
        """The process that was the last to start sampling a camera."""
        return self._owners.get(camera)

    @property
    def owners(self) -> dict[str, Ownership]:
        """By camera."""
        return dict(self._owners)

    def leave_requested_at(self, node: str) -> float | None:
        """Wall clock of the last request that a node should leave; None if there was none."""
        request = self._leave_requests.get(node)
        return None if request is None else request.requested_at

    def announce(self, camera: str, ownership: Ownership) -> None:
        """Announces that a process samples a camera; raises ``KafkaError`` if the broker cannot be reached."""
        self._send(camera, OWNERSHIP, ownership, ANNOUNCE_S)

    def request_leave(self, node: str) -> None:
        """Requests that a node leaves; raises ``BrokerError`` if the broker does not confirm the request."""
        try:
            self._send(LEAVE_KEY + node, LEAVE, LeaveRequest(node, time.time()), LEAVE_S).get(LEAVE_S)
        except KafkaError as error:
            raise self._broker.to_broker_error(error) from error

    def _send(self, key: str, kind: bytes, value: Ownership | LeaveRequest, wait_s: float) -> Any:
        if self._sender is None:
            self._sender = ReliableProducer(self._broker, max_block_ms=int(1000 * wait_s))
        message = Message(key.encode(), msgspec.json.encode(value), [(KIND, kind)])
        return self._sender.send(self._topic, 0, message)

    def _read_record(self, record: ConsumerRecord) -> None:
        kind = kind_of(record)
        try:
            if kind == OWNERSHIP:
                self._owners[record.key.decode()] = msgspec.json.decode(record.value, type=Ownership)
            elif kind == LEAVE:
                request = msgspec.json.decode(record.value, type=LeaveRequest)
                self._leave_requests[request.node] = request
            else:
                raise CodecError(record, f"{kind!r}, expected {OWNERSHIP!r} or {LEAVE!r}")
        except (msgspec.DecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
            raise CodecError(record, f"the record of a sampler cannot be read ({error})", "unreadable") from error
