"""Connections to a site's broker, and the errors when there is none."""

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
from streams.kafka.client.security import security_settings

SESSION_S = 6.0
"""Time without a heartbeat after which a member loses its partitions: the least that a broker allows by default."""

CONNECT_MS = 10_000
"""Time limit of a start in which no broker answers."""

METADATA_S = 10.0
"""A consumer notices within this time that its topic was created anew."""

OFFSETS_MS = 5_000
"""Time limit of reading a topic's first or last offsets. For a missing topic, the library would wait for 30 s."""

_CONSUMER = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "allow_auto_create_topics": False,
    "metadata_max_age_ms": int(METADATA_S * 1000),
}


class Broker:
    """A site's broker: makes clients with its address, its security and common settings.

    Args:
        site: Its ``kafka`` part has the address; ``LANEWATCH_KAFKA`` in the environment replaces it.
        client: Client id of this process, such as ``detect-gpu1``.

    Raises:
        BrokerError: the compiled checksum library is missing, or an address or a security file is not valid.

    Attributes:
        topic_ids: The ids of the site's topics by name, as last read from the broker; missing topics are absent. A
            topic that is created anew has another id. Empty before the first reading.
    """

    def __init__(self, site: Site, client: str, environment: Mapping[str, str] | None = None) -> None:
        if checksums.crc32c_c is None:
            raise BrokerError("kafka-python has no compiled checksum, which costs 21 ms a record: `pip install crc32c`")
        self.kafka: KafkaConfig = site.kafka
        self.topic_ids: Mapping[str, str] = {}
        environment = os.environ if environment is None else environment
        addresses = [address.strip() for address in environment.get("LANEWATCH_KAFKA", "").split(",")]
        self.addresses = [address for address in addresses if address] or list(site.kafka.brokers)
        for address in self.addresses:
            parse_address(address)
        self._security = security_settings(site.kafka.security)
        self._common: dict[str, Any] = {
            "bootstrap_servers": self.addresses,
            "client_id": client,
            "bootstrap_timeout_ms": CONNECT_MS,
            "reconnect_backoff_max_ms": 1000,  # the default of 30 s delays the reconnect to a restarted broker
        } | self._security

    def producer(self, **settings: Any) -> KafkaProducer:
        """A producer with the library's defaults: acknowledged by all replicas, in order, once."""
        return KafkaProducer(**self._common | {"allow_auto_create_topics": False} | settings)

    def consumer(self, **settings: Any) -> KafkaConsumer:
        """A consumer without automatic commits that starts at the earliest offset."""
        return KafkaConsumer(**self._common | _CONSUMER | settings)

    def member(
        self, group: str, *, instance: str | None = None, session_s: float = SESSION_S, **settings: Any
    ) -> KafkaConsumer:
        """A member of a consumer group, which assigns partitions to it.

        It loses them ``session_s`` after its last heartbeat; the broker's minimum is 6 s. A static member, one with
        ``instance`` as its name, keeps them if it restarts within that time.
        """
        defaults: dict[str, Any] = {
            "group_id": group,
            "group_instance_id": instance,
            "partition_assignment_strategy": (CooperativeStickyAssignor,),
            "session_timeout_ms": int(session_s * 1000),
            "heartbeat_interval_ms": int(session_s * 1000 / 4),
        }
        return PatchedConsumer(**self._common | _CONSUMER | defaults | settings)

    def admin(self) -> KafkaAdminClient:
        """An admin client."""
        return KafkaAdminClient(**self._common)

    def check(self) -> None:
        """Checks the addresses until one is usable. The client library would retry without a message.

        Raises:
            BrokerAwayError: no address answers at present.
            BrokerError: an address is not a broker, or refuses the connection. The message contains the fix.
        """
        deadline = time.monotonic() + CONNECT_MS / 1000
        errors: list[BrokerError] = []
        for address in self.addresses:
            try:
                return check_broker(address, self._security)
            except BrokerError as error:
                errors.append(error)
            if time.monotonic() > deadline:
                break
        permanent = [error for error in errors if not isinstance(error, BrokerAwayError)]
        kind = BrokerError if permanent else BrokerAwayError
        raise kind("; ".join(dict.fromkeys(str(error) for error in permanent or errors)))

    @contextmanager
    def open_admin(self) -> Iterator[KafkaAdminClient]:
        """An admin client, closed at the end of the block; Kafka's errors become ``BrokerError``.

        Raises:
            BrokerAwayError: the broker cannot be reached.
            BrokerError: it is not a broker, or it refuses.
        """
        self.check()
        try:
            admin = self.admin()
            try:
                yield admin
            finally:
                admin.close()
        except KafkaError as error:
            raise self.to_broker_error(error) from error

    def lacks(self, topic: str) -> bool:
        """Whether a topic was missing when the topics were last read."""
        return bool(self.topic_ids) and topic not in self.topic_ids

    @property
    def address(self) -> str:
        """All addresses, for messages."""
        return ", ".join(self.addresses)

    @property
    def user(self) -> str | None:
        """The user name of this process, if it has a password."""
        return self.kafka.security.username if "sasl_mechanism" in self._security else None

    @property
    def principal(self) -> str:
        """The user as the broker knows it, for messages."""
        if self.user:
            return f"user {self.user}"
        return "the owner of the client certificate" if self.kafka.security.certificate else "an anonymous user"

    def to_broker_error(self, error: KafkaError) -> BrokerError:
        """An error of the client library with the broker, the cause and the fix; ``BrokerAwayError`` if it may pass."""
        if isinstance(error, RetriableError):
            try:
                self.check()
            except BrokerError as cause:
                return cause
            return BrokerAwayError(f"broker {self.address} did not answer in time: {error}")
        if isinstance(error, AuthorizationError):
            return BrokerError(
                f"broker {self.address}: {self.principal} may not do this ({error}); add the access rules of the "
                "table in docs/kafka.md"
            )
        return BrokerError(f"broker {self.address}: {error}")


def subscribe(consumer: KafkaConsumer, topic: str, listener: ConsumerRebalanceListener) -> None:
    """Subscribes a group's member to a topic.

    The topic's metadata is read first: a leader of a group that does not know the topic assigns no partitions.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    consumer.partitions_for_topic(topic)
    consumer.subscribe([topic], listener=listener)
