"""What the loops of the folds share: their clients, what the group gave and took, and the beginning and the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Protocol

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from lanewatch.config.revisions import SiteRevisions
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.consumer.retry import RetryPolicy
from streams.kafka.state.checkpoints import Checkpoints
from streams.kafka.state.event_outbox import EventOutbox

CHECKPOINT_S = 10.0
"""What is judged again after a crash; a thousand records take a tenth of a second."""

SETTLE_S = 5.0
"""How long a planned end waits for the broker to take the last events; else the successor computes them again."""

POLL_MS = 100
MOST = 500


class SiteRevisionsSource(Protocol):
    """What knows the site's revisions, such as the site topic's reader; another object each time they change."""

    @property
    def revisions(self) -> SiteRevisions: ...


class AssignmentChanges(ConsumerRebalanceListener):  # type: ignore[misc]
    """What the group took and gave since it was last asked. Told in the client's own thread, asked by the loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gone: set[int] = set()
        self._come: set[int] = set()

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Some belong to others from now on."""
        numbers = {one.partition for one in revoked}
        with self._lock:
            self._gone |= numbers
            self._come -= numbers

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Some are ours."""
        with self._lock:
            self._come |= {one.partition for one in assigned}

    def taken(self) -> tuple[set[int], set[int]]:
        """Those that went and those that came; one that went and came back is in both."""
        with self._lock:
            gone, self._gone = self._gone, set()
            come, self._come = self._come, set()
        return gone, come


class WorkerClients:
    """What a fold's loop works with: where its events go, where its states are, and where its input comes from.

    Raises:
        kafka.errors.KafkaError: no broker answers.
    """

    def __init__(self, stage: str, broker: Broker, topics: Topics, consumer: Callable[[], KafkaConsumer]) -> None:
        with ExitStack() as stack:  # what was made is closed where the next one fails
            self.outbox = EventOutbox(broker, topics.events, stage)
            stack.callback(self.outbox.close)
            self.checkpoints = Checkpoints(broker, topics)
            stack.callback(self.checkpoints.close)
            self.consumer = consumer()
            stack.callback(self.consumer.close, autocommit=False, timeout_ms=2000)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Ends them."""
        self._stack.close()


def with_retry(make: Callable[[], WorkerClients], patience: RetryPolicy, stop: threading.Event) -> WorkerClients | None:
    """The clients as soon as a broker answers; None where it is told to stop before.

    Raises:
        BrokerError: waiting is no use.
    """
    while not stop.is_set():
        try:
            return make()
        except KafkaError as error:
            patience.bear(error, stop)
    return None
