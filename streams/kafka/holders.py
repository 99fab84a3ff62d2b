"""Who samples which camera, and who is asked to leave: a compacted topic that every sampler follows."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from lanewatch import telemetry
from streams.kafka.broker import Broker, BrokerError
from streams.kafka.patience import Patience
from streams.kafka.sender import Sender
from streams.kafka.topics import Topics
from streams.kafka.wire import KIND, Message, WireError

HOLDING = b"holding/1"
LEAVE = b"leave/1"

ASKED = "@leave/"
"""Before a node's name it makes a key of its own: no camera's id begins with an @."""

POLL_MS = 100
SEND_S = 10.0
CLOSE_MS = 1000

log = telemetry.log("sample")


class Holding(msgspec.Struct, frozen=True):
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


class Leave(msgspec.Struct, frozen=True):
    """A node is to hand its cameras over and end; processes that begin later are not meant."""

    node: str
    told_at: float


class Holders:
    """Follows the topic, and writes to it; a context manager.

    Args:
        broker: the site's.
        topics: whose ``holders`` it is.
    """

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._broker = broker
        self._name = topics.holders.name
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._holding: dict[str, Holding] = {}
        self._leave: dict[str, Leave] = {}
        self._read_all = False
        self._error: BrokerError | None = None
        self._sender: Sender | None = None
        self._thread = threading.Thread(target=self._run, name="holders", daemon=True)

    def __enter__(self) -> Holders:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(CLOSE_MS / 1000 * 2)
        if self._sender is not None:
            self._sender.close(1.0)

    def read(self, timeout_s: float = 30.0) -> None:
        """Waits until all is read that was there at the beginning.

        Raises:
            BrokerError: it took longer, or the broker refuses.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._read_all or self._error is not None, timeout_s)
            if self._error is not None:
                raise self._error
            if not self._read_all:
                raise BrokerError(f"broker {self._broker.where}: topic {self._name} could not be read to its end")

    def of(self, camera: str) -> Holding | None:
        """Whose frames of a camera came last to begin."""
        return self._holding.get(camera)

    @property
    def all(self) -> dict[str, Holding]:
        """By camera."""
        return dict(self._holding)

    def asked(self, node: str) -> float | None:
        """When a node was last asked to leave, wall clock; None if never."""
        leave = self._leave.get(node)
        return None if leave is None else leave.told_at

    def tell(self, camera: str, holding: Holding) -> None:
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
            self._send(ASKED + node, LEAVE, Leave(node, time.time())).get(SEND_S)
        except KafkaError as error:
            raise self._broker.explained(error) from error

    def _send(self, key: str, kind: bytes, value: Holding | Leave) -> Any:
        if self._sender is None:
            self._sender = Sender(self._broker, max_block_ms=200)
        message = Message(key.encode(), msgspec.json.encode(value), [(KIND, kind)])
        return self._sender.send(self._name, 0, message)

    def _run(self) -> None:
        patience = Patience("sample", f"reading {self._name}")
        while not self._stop.is_set():
            try:
                consumer = self._broker.consumer(fetch_max_wait_ms=POLL_MS)
                try:
                    self._follow(consumer, patience)
                finally:
                    consumer.close(autocommit=False, timeout_ms=CLOSE_MS)
            except KafkaError as error:
                try:
                    patience.bear(error, self._stop)
                except BrokerError as refused:
                    with self._changed:
                        self._error = refused
                        self._changed.notify_all()
                    return

    def _follow(self, consumer: KafkaConsumer, patience: Patience) -> None:
        place = TopicPartition(self._name, 0)
        consumer.assign([place])
        end = consumer.end_offsets([place])[place]
        patience.relieved()
        while not self._stop.is_set():
            for records in consumer.poll(POLL_MS).values():
                for record in records:
                    self._take(record)
            at = consumer.position(place, timeout_ms=0)
            if not self._read_all and at is not None and at >= end:
                with self._changed:
                    self._read_all = True
                    self._changed.notify_all()

    def _take(self, record: ConsumerRecord) -> None:
        try:
            kind = dict(record.headers).get(KIND)
            if kind == HOLDING:
                self._holding[record.key.decode()] = msgspec.json.decode(record.value, type=Holding)
            elif kind == LEAVE:
                leave = msgspec.json.decode(record.value, type=Leave)
                self._leave[leave.node] = leave
            else:
                raise WireError(record, f"{kind!r} is neither {HOLDING!r} nor {LEAVE!r}")
        except WireError as error:
            telemetry.refused("sample", error)
        except (msgspec.DecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
            telemetry.refused("sample", WireError(record, f"no word of a sampler ({error})", "unreadable"))
