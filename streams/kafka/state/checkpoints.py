"""Checkpoints: states of a stage with their input offsets, in the compacted topic ``checkpoints``.

Each partition of the input has its checkpoint in the same partition of the topic: a record for each camera, and then
one with the position up to which all cameras are processed. Several records cannot be written at once, and a stalled
process may overwrite its successor's newer states. So a reader starts from the oldest state's offset, and skips the
records that a camera's state already has. A record that is processed twice gives the same events with the same ids.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError, KafkaTimeoutError

from lanewatch import metrics
from streams.kafka.client.connection import OFFSETS_MS, Broker
from streams.kafka.client.producers import ReliableProducer
from streams.kafka.client.topics import Topics
from streams.kafka.codec import KIND, CodecError, Message, expect

POSITION = b"@position"
"""Key of a partition's position; no camera id starts with ``@``."""

READ_S = 10.0
"""Time limit of reading; with a reachable broker it takes a fraction of a second."""

WRITE_S = 5.0
"""Time limit of writing. The next checkpoint repeats what is not acknowledged by then."""

STATE_VERSION = 3
"""Of the stages' states. A state of another version is refused and counted, and the topic is processed from its
beginning: the events get the same ids and revisions again. Version 1 had other names for its fields."""
_STATE = f"state/{STATE_VERSION}".encode()
_POSITION = f"position/{STATE_VERSION}".encode()


NO_RECORD = -1
"""The offset of a state that contains no record of the present input topic."""


class StoredState(msgspec.Struct, frozen=True):
    """An encoded state, and the offset of the last record in it, or ``NO_RECORD``.

    ``topic`` is the id of the input topic: offsets do not apply to one that was created anew.
    """

    offset: int
    data: bytes
    topic: str = ""


class CheckpointPosition(msgspec.Struct, frozen=True):
    """The next offset of the input, and the offset of each camera's state at that time; ``topic`` as in a state."""

    position: int
    states: dict[str, int]
    topic: str = ""


class Checkpoint(NamedTuple):
    """The checkpoint of a partition: the next offset (None: its start), and the states by camera.

    ``recreated``: it is from an earlier topic of the same name, so its offsets are left out.
    """

    position: int | None
    states: dict[str, StoredState]
    recreated: bool = False


SavedCheckpoint = tuple[Mapping[str, StoredState], CheckpointPosition | None]
"""What is saved of a partition: the states by key, and their position."""

_Record = tuple[int, bytes, bytes, StoredState | CheckpointPosition]
"""Partition, key, kind and content of a record."""


class Checkpoints:
    """Reads and writes checkpoints. ``restore`` may be called in one thread, ``save`` in another.

    Raises ``KafkaError`` if no broker answers.
    """

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._topic = topics.checkpoints.name
        timeout_ms = int(READ_S * 1000)
        self._sender = ReliableProducer(broker, delivery_timeout_ms=timeout_ms, request_timeout_ms=timeout_ms // 2)
        self._reader: KafkaConsumer = broker.consumer()

    def restore(self, partitions: Collection[int], topic: str) -> dict[int, Checkpoint]:
        """The checkpoint of each partition; raises ``KafkaError`` if they could not be read in time.

        ``topic`` is the id of the input topic.
        """
        states: dict[int, dict[str, StoredState]] = {partition: {} for partition in partitions}
        positions: dict[int, CheckpointPosition | None] = dict.fromkeys(partitions)
        for record in self._read(partitions):
            try:
                if record.key == POSITION:
                    positions[record.partition] = _decoded(record, _POSITION, CheckpointPosition)
                elif record.key and not record.key.startswith(b"@"):
                    camera = record.key.decode(errors="replace")
                    if record.value is None:
                        states[record.partition].pop(camera, None)
                    else:
                        states[record.partition][camera] = _decoded(record, _STATE, StoredState)
            except CodecError as error:
                metrics.record_refused("watch", error)
        return {partition: _checkpoint(states[partition], positions[partition], topic) for partition in partitions}

    def read(self, partition: int, key: str, topic: str) -> StoredState | None:
        """The state under a key that is no camera, such as the correlation's; ``topic`` is the input topic's id."""
        state: StoredState | None = None
        for record in self._read([partition]):
            if record.key == key.encode():
                try:
                    state = _decoded(record, _STATE, StoredState)
                except CodecError as error:
                    metrics.record_refused("correlate", error)
        return None if state is None else _of_topic(state, topic)

    def save(self, checkpoints: Mapping[int, SavedCheckpoint], topic: str) -> dict[int, KafkaError]:
        """Writes the states of partitions, and then their positions. Returns the errors by partition.

        A partition without an error is complete. All events of the states must have been acknowledged before.
        ``topic`` is the id of the input topic.
        """
        failed: dict[int, KafkaError] = {}
        self._write(
            (
                (number, key.encode(), _STATE, state)
                for number, (states, _) in checkpoints.items()
                for key, state in states.items()
            ),
            topic,
            failed,
        )
        positions = (
            (number, POSITION, _POSITION, position)
            for number, (_, position) in checkpoints.items()
            if position is not None and number not in failed
        )
        self._write(positions, topic, failed)
        return failed

    def close(self) -> None:
        """Closes the clients."""
        self._sender.close(0)
        self._reader.close()

    def _write(self, records: Iterable[_Record], topic: str, failed: dict[int, KafkaError]) -> None:
        """Sends records, waits until they are acknowledged, and adds the errors by partition."""
        deadline = time.monotonic() + WRITE_S
        sent: list[tuple[int, Any]] = []
        timed_out: KafkaError | None = None
        for partition, key, kind, value in records:
            data = msgspec.msgpack.encode(msgspec.structs.replace(value, topic=topic))
            try:
                if timed_out is not None:
                    raise timed_out
                sent.append((partition, self._sender.send(self._topic, partition, Message(key, data, [(KIND, kind)]))))
            except KafkaError as error:
                timed_out = error if isinstance(error, KafkaTimeoutError) else None
                failed[partition] = error
        for partition, future in sent:
            try:
                future.get(max(0.0, deadline - time.monotonic()))
            except KafkaError as error:
                failed[partition] = error

    def _read(self, partitions: Collection[int]) -> Iterator[ConsumerRecord]:
        """All records of the partitions up to their present end."""
        assigned = [TopicPartition(self._topic, partition) for partition in partitions]
        if not assigned:
            return
        self._reader.assign(assigned)
        ends: dict[Any, int] = self._reader.end_offsets(assigned, timeout_ms=OFFSETS_MS)
        self._reader.seek_to_beginning(*assigned)
        left = {partition for partition in assigned if ends[partition] > 0}
        deadline = time.monotonic() + READ_S
        while left:
            for records in self._reader.poll(timeout_ms=200).values():
                yield from records
            left = {
                partition
                for partition in left
                if (self._reader.position(partition, timeout_ms=1000) or 0) < ends[partition]
            }
            if left and time.monotonic() > deadline:
                names = ", ".join(f"{topic}-{partition}" for topic, partition in sorted(left))
                raise KafkaTimeoutError(
                    f"{names}: checkpoints could not be read within {READ_S:g} s: can the broker be reached?"
                )


def _checkpoint(states: dict[str, StoredState], position: CheckpointPosition | None, topic: str) -> Checkpoint:
    states = {camera: _of_topic(state, topic) for camera, state in states.items()}
    if position is None or _is_other(position.topic, topic):
        # None was written yet: every record is processed that the states do not have.
        return Checkpoint(None, states, recreated=position is not None)
    older = [
        states[camera].offset + 1
        for camera, offset in position.states.items()
        if camera in states and states[camera].offset < offset
    ]
    return Checkpoint(min([position.position, *older]), states)


def _of_topic(state: StoredState, topic: str) -> StoredState:
    return msgspec.structs.replace(state, offset=NO_RECORD, topic="") if _is_other(state.topic, topic) else state


def _is_other(written: str, present: str) -> bool:
    """Whether a record's topic id is another one; earlier releases wrote none."""
    return bool(written and present) and written != present


def _decoded(record: ConsumerRecord, kind: bytes, type: type[Any]) -> Any:
    expect(record, kind)
    try:
        return msgspec.msgpack.decode(record.value, type=type)
    except (msgspec.DecodeError, TypeError) as error:
        raise CodecError(record, f"{kind.decode()} cannot be read ({error})", "unreadable") from error
