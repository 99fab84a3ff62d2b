"""The broker: how a process reaches it, and what it says when it can't."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError, RetriableError
from kafka.record import util as checksums

from lanewatch.site import Kafka, Site

SESSION_S = 6.0
"""How long a process may be silent before its share goes to others: the least that a broker allows by default."""

CONNECT_MS = 10_000
"""How long a start waits for a broker before it says that there is none."""


class BrokerError(Exception):
    """The broker or a topic is not as it must be: says which, what is wrong and what to do."""


class BrokerAwayError(BrokerError):
    """The broker can't be reached just now: waiting may mend it."""


class Broker:
    """A site's broker: makes clients with its address, its security and the settings that all of them share.

    Args:
        site: its ``kafka`` part says where the broker is; ``LANEWATCH_KAFKA`` in the environment replaces the address.
        client: names this process to the broker, such as ``detect-gpu1``.

    Raises:
        BrokerError: the checksum library is not the compiled one, or a file of the security settings is missing.
    """

    def __init__(self, site: Site, client: str, environment: Mapping[str, str] = os.environ) -> None:
        _checked()
        self.kafka: Kafka = site.kafka
        told = environment.get("LANEWATCH_KAFKA", "")
        self.addresses = [one.strip() for one in told.split(",") if one.strip()] or list(site.kafka.brokers)
        self.client = client
        self._common: dict[str, Any] = {
            "bootstrap_servers": self.addresses,
            "client_id": client,
            "bootstrap_timeout_ms": CONNECT_MS,
            "reconnect_backoff_max_ms": 1000,  # not the usual 30 s blind after a broker is back
        }

    def producer(self, **settings: Any) -> KafkaProducer:
        """A producer; without ``settings`` one whose records are acknowledged by all copies, in order, once."""
        return KafkaProducer(**self._common | {"allow_auto_create_topics": False} | settings)

    def consumer(self, **settings: Any) -> KafkaConsumer:
        """A consumer that commits nothing by itself and begins at the beginning."""
        usual = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "allow_auto_create_topics": False}
        return KafkaConsumer(**self._common | usual | settings)

    def member(
        self, group: str, *, instance: str | None = None, session_s: float = SESSION_S, **settings: Any
    ) -> KafkaConsumer:
        """A member of a consumer group, which the broker gives its share of the partitions.

        Args:
            group: its name.
            instance: a name that outlives the process: one that is back within ``session_s`` has its partitions still.
            session_s: how long a silent member keeps its partitions; the broker's own least is 6 s.
        """
        usual: dict[str, Any] = {
            "group_id": group,
            "group_instance_id": instance,
            "partition_assignment_strategy": (CooperativeStickyAssignor,),
            "session_timeout_ms": int(session_s * 1000),
            "heartbeat_interval_ms": int(session_s * 1000 / 4),
        }
        return self.consumer(**usual | settings)

    def admin(self) -> KafkaAdminClient:
        """An administrator."""
        return KafkaAdminClient(**self._common)

    @contextmanager
    def administering(self) -> Iterator[KafkaAdminClient]:
        """An administrator that is closed afterwards.

        Raises:
            BrokerAwayError: the broker can't be reached.
            BrokerError: it refuses.
        """
        try:
            admin = self.admin()
            try:
                yield admin
            finally:
                admin.close()
        except KafkaError as error:
            raise self.explained(error) from error

    @property
    def where(self) -> str:
        """The addresses, for messages."""
        return ", ".join(self.addresses)

    def explained(self, error: KafkaError) -> BrokerError:
        """What the client library raised, in words: which broker, what is wrong, what to do.

        Returns:
            A ``BrokerAwayError`` where waiting may mend it, else a plain ``BrokerError``.
        """
        kind = BrokerAwayError if isinstance(error, RetriableError) else BrokerError
        return kind(f"broker {self.where}: {error}")


def _checked() -> None:
    """That checksums are computed by the compiled library: the pure one costs 21 ms for each record of 120 KB."""
    if checksums.crc32c_c is None:
        raise BrokerError(
            "kafka-python has no compiled checksum: `pip install crc32c` (21 ms a record are lost without)"
        )
