"""Where a fold is: its states and the input's position that belongs to them, in the compacted topic ``checkpoints``.

For each partition of the input, in the same partition of the topic: each camera's state with the offset of the last
record that is in it, and one record, written after them, that says up to where all cameras have been judged and at
which offset each state was then. Nobody can write several records at once, and a process that was stalled may write
its old ones over its successor's; so a reader begins where the oldest state that it finds asks for, and skips, camera
by camera, what a state has already. Judging a record again gives the same events with the same ids and revisions.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaTimeoutError

from lanewatch import metrics
from lanewatch.records import VERSION
from streams.kafka.client.connection import Broker
from streams.kafka.client.producers import ReliableProducer
from streams.kafka.client.topics import Topics
from streams.kafka.codec import KIND, CodecError, Message

POSITION = b"@position"
"""Key of a partition's position. Cameras' ids begin with a letter or a digit."""

READ_S = 10.0
"""Reading a partition's states takes a fraction of a second; longer, and the broker is away."""

_STATE = f"state/{VERSION}".encode()
_PLACE = f"position/{VERSION}".encode()


class StoredState(msgspec.Struct, frozen=True):
    """A state, encoded, and the offset of the last record that is in it."""

    offset: int
    data: bytes

    def anew(self) -> StoredState:
        """The same for an input that begins anew: no record of it is in the state."""
        return StoredState(-1, self.data)


class CheckpointPosition(msgspec.Struct, frozen=True):
    """Up to where all has been judged, and at which offset each state was then."""

    position: int
    states: dict[str, int]


class Checkpoint(NamedTuple):
    """What is known of a partition.

    Attributes:
        position: Where to begin: the next offset; None where nothing is known, at the beginning.
        states: By camera. Records at or before a state's offset are in it.
    """

    position: int | None
    states: dict[str, StoredState]


class Checkpoints:
    """Reads and writes checkpoints. ``restore`` may be called in one thread, ``save`` in another.

    Args:
        broker: where they are.
        topics: whose ``checkpoints`` it is.

    Raises:
        kafka.errors.KafkaError: no broker answers.
    """

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._topic = topics.checkpoints.name
        self._sender = ReliableProducer(
            broker, delivery_timeout_ms=int(READ_S * 1000), request_timeout_ms=int(READ_S * 500)
        )
        self._reader: KafkaConsumer = broker.consumer()

    def restore(self, partitions: Collection[int]) -> dict[int, Checkpoint]:
        """What is known of each of the partitions.

        Raises:
            kafka.errors.KafkaError: the topic could not be read to its end in time.
        """
        found: dict[int, dict[str, StoredState]] = {partition: {} for partition in partitions}
        places: dict[int, CheckpointPosition | None] = dict.fromkeys(partitions)
        for record in self._read(partitions):
            try:
                if record.key == POSITION:
                    places[record.partition] = _decoded(record, _PLACE, CheckpointPosition)
                elif record.key and not record.key.startswith(b"@"):
                    _note(found[record.partition], record)
            except CodecError as error:
                metrics.record_refused("watch", error)
        return {partition: _checkpoint(found[partition], places[partition]) for partition in partitions}

    def read(self, partition: int, key: str) -> StoredState | None:
        """The state under a key of its own, such as the correlation's."""
        kept = None
        for record in self._read([partition]):
            if record.key == key.encode():
                try:
                    kept = _decoded(record, _STATE, StoredState)
                except CodecError as error:
                    metrics.record_refused("correlate", error)
        return kept

    def save(self, partition: int, states: Mapping[str, StoredState], place: CheckpointPosition | None = None) -> None:
        """Writes states, and then the position that belongs to them; all events that they caused must be out.

        Raises:
            BrokerError: the broker did not acknowledge them.
            kafka.errors.KafkaError: they could not be sent.
        """
        for key, kept in states.items():
            self._send(partition, key.encode(), _STATE, kept)
        self._sender.flush(READ_S)
        if place is not None:
            self._send(partition, POSITION, _PLACE, place)
            self._sender.flush(READ_S)

    def close(self) -> None:
        """Ends the clients."""
        self._sender.close(0)
        self._reader.close()

    def _send(self, partition: int, key: bytes, kind: bytes, value: msgspec.Struct) -> None:
        self._sender.send(self._topic, partition, Message(key, msgspec.msgpack.encode(value), [(KIND, kind)]))

    def _read(self, partitions: Collection[int]) -> Iterator[ConsumerRecord]:
        """All records of the partitions up to their present end."""
        wanted = [TopicPartition(self._topic, partition) for partition in partitions]
        if not wanted:
            return
        self._reader.assign(wanted)
        ends: dict[Any, int] = self._reader.end_offsets(wanted, timeout_ms=int(READ_S * 1000))
        self._reader.seek_to_beginning(*wanted)
        left = {one for one in wanted if ends[one] > 0}
        until = time.monotonic() + READ_S
        while left:
            for records in self._reader.poll(timeout_ms=200).values():
                yield from records
            left = {one for one in left if (self._reader.position(one, timeout_ms=1000) or 0) < ends[one]}
            if left and time.monotonic() > until:
                where = ", ".join(f"{one.topic}-{one.partition}" for one in sorted(left))
                raise KafkaTimeoutError(
                    f"{where}: checkpoints could not be read within {READ_S:g} s: is the broker away?"
                )


def _note(states: dict[str, StoredState], record: ConsumerRecord) -> None:
    camera = record.key.decode(errors="replace")
    if record.value is None:
        states.pop(camera, None)
    else:
        states[camera] = _decoded(record, _STATE, StoredState)


def _checkpoint(states: dict[str, StoredState], place: CheckpointPosition | None) -> Checkpoint:
    if place is None:  # nobody has come as far as to write it: all that the states do not have is judged
        return Checkpoint(None, states)
    old = [
        states[camera].offset + 1
        for camera, offset in place.states.items()
        if camera in states and states[camera].offset < offset
    ]
    return Checkpoint(min([place.position, *old]), states)


def _decoded(record: ConsumerRecord, kind: bytes, type: type[Any]) -> Any:
    found = next((value for name, value in record.headers if name == KIND), None)
    if found != kind:
        raise CodecError(record, f"{found!r} where {kind.decode()} belongs", "version" if found else "foreign")
    try:
        return msgspec.msgpack.decode(record.value, type=type)
    except (msgspec.DecodeError, TypeError) as error:
        raise CodecError(record, f"{kind.decode()} cannot be read ({error})", "unreadable") from error
