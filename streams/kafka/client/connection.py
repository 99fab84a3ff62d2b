"""The broker: how a process reaches it, and what it says when it can't."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import AuthorizationError, KafkaError, RetriableError
from kafka.record import util as checksums

from lanewatch.config.site import KafkaConfig, Site
from streams.kafka.client.diagnostics import check_broker, parse_address
from streams.kafka.client.errors import BrokerAwayError, BrokerError
from streams.kafka.client.kafka_python_patches import PatchedConsumer
from streams.kafka.client.security import settings as secured

__all__ = ["CONNECT_MS", "SESSION_S", "Broker", "BrokerAwayError", "BrokerError"]

SESSION_S = 6.0
"""How long a process may be silent before its share goes to others: the least that a broker allows by default."""

CONNECT_MS = 10_000
"""How long a start waits for a broker before it says that there is none."""


_READING = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "allow_auto_create_topics": False}


class Broker:
    """A site's broker: makes clients with its address, its security and the settings that all of them share.

    Args:
        site: its ``kafka`` part says where the broker is; ``LANEWATCH_KAFKA`` in the environment replaces the address.
        client: names this process to the broker, such as ``detect-gpu1``.

    Raises:
        BrokerError: the checksum library is not the compiled one, an address is none, or a file of the security
            settings is missing or no such thing.
    """

    def __init__(self, site: Site, client: str, environment: Mapping[str, str] = os.environ) -> None:
        _checked()
        self.kafka: KafkaConfig = site.kafka
        told = environment.get("LANEWATCH_KAFKA", "")
        self.addresses = [one.strip() for one in told.split(",") if one.strip()] or list(site.kafka.brokers)
        for address in self.addresses:
            parse_address(address)
        self.client = client
        self._security = secured(site.kafka.security)
        self._common: dict[str, Any] = {
            "bootstrap_servers": self.addresses,
            "client_id": client,
            "bootstrap_timeout_ms": CONNECT_MS,
            "reconnect_backoff_max_ms": 1000,  # not the usual 30 s blind after a broker is back
        } | self._security

    def producer(self, **settings: Any) -> KafkaProducer:
        """A producer; without ``settings`` one whose records are acknowledged by all copies, in order, once."""
        return KafkaProducer(**self._common | {"allow_auto_create_topics": False} | settings)

    def consumer(self, **settings: Any) -> KafkaConsumer:
        """A consumer that commits nothing by itself and begins at the beginning."""
        return KafkaConsumer(**self._common | _READING | settings)

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
        return PatchedConsumer(**self._common | _READING | usual | settings)

    def admin(self) -> KafkaAdminClient:
        """An administrator."""
        return KafkaAdminClient(**self._common)

    def check(self) -> None:
        """Greets the brokers until one answers as it should: what is wrong is said at once, where the client
        library would try on in silence.

        Raises:
            BrokerAwayError: nobody answers just now.
            BrokerError: what answers is no broker or does not let us in; names the address and the mend.
        """
        until = time.monotonic() + CONNECT_MS / 1000
        troubles: list[BrokerError] = []
        for address in self.addresses:
            try:
                check_broker(address, self._security)
            except BrokerError as error:
                troubles.append(error)
            else:
                return
            if time.monotonic() > until:
                break
        final = [one for one in troubles if not isinstance(one, BrokerAwayError)]
        kind = BrokerError if final else BrokerAwayError
        raise kind("; ".join(dict.fromkeys(str(one) for one in final or troubles)))

    @contextmanager
    def administering(self) -> Iterator[KafkaAdminClient]:
        """An administrator that is closed afterwards.

        Raises:
            BrokerAwayError: the broker can't be reached.
            BrokerError: it is none, or refuses.
        """
        self.check()
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

    @property
    def user(self) -> str | None:
        """The name that this process gives, with a password."""
        return self.kafka.security.username if "sasl_mechanism" in self._security else None

    @property
    def who(self) -> str:
        """This process as the broker knows it, for messages."""
        if self.user:
            return f"user {self.user}"
        return "the holder of our certificate" if self.kafka.security.certificate else "nobody in particular"

    def explained(self, error: KafkaError) -> BrokerError:
        """What the client library raised, in words: which broker, what is wrong, what to do.

        Returns:
            A ``BrokerAwayError`` where waiting may mend it, else a plain ``BrokerError``.
        """
        if isinstance(error, RetriableError):
            try:
                self.check()
            except BrokerError as found:
                return found
            return BrokerAwayError(f"broker {self.where} did not answer in time: {error}")
        if isinstance(error, AuthorizationError):
            return BrokerError(
                f"broker {self.where}: {self.who} may not do this ({error}); the access rules must allow it, see the "
                "table in docs/kafka.md"
            )
        return BrokerError(f"broker {self.where}: {error}")


def _checked() -> None:
    """That checksums are computed by the compiled library: the pure one costs 21 ms for each record of 120 KB."""
    if checksums.crc32c_c is None:
        raise BrokerError(
            "kafka-python has no compiled checksum: `pip install crc32c` (21 ms a record are lost without)"
        )


def subscribe(consumer: KafkaConsumer, topic: str, listener: ConsumerRebalanceListener) -> None:
    """Has a group's member take its share of a topic.

    Whoever leads a group assigns from what its client knows of the topic, and a client that knows nothing yet assigns
    nothing; so it is asked for first.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    consumer.partitions_for_topic(topic)
    consumer.subscribe([topic], listener=listener)
