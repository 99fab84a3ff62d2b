"""The topics: their names, how they are kept, and that they are as they should be."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAuthorizationFailedError, for_code

from lanewatch.config.site import Site, TopicRetention
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError

_log = logging.getLogger("lanewatch.kafka")

Stream = Literal["frames", "detections", "events", "site", "checkpoints", "holders"]

SEGMENT_S = 60
"""A segment is the unit that retention deletes: with larger ones a minute's retention keeps hours."""

DELETE_S = 10
"""From a segment's deletion to its file's; a broker's own is a minute."""

MAX_FRAME_BYTES = 4 << 20
"""Of one record. A frame 960 wide is 40-150 KB, with four crops twice that; a broker's own bound is 1 MB."""

ROOM_BYTES = MAX_FRAME_BYTES + 65_536
"""The largest record with its headers, and a batch with nothing else in it."""


@dataclass(frozen=True)
class Topic:
    """A topic as it should be.

    Attributes:
        stream: what lies in it.
        name: in the broker.
        partitions: how many.
        config: the broker's settings for it, by name.
    """

    stream: Stream
    name: str
    partitions: int
    config: dict[str, str]


class Topics:
    """A site's topics.

    ``frames``, ``detections``, ``site`` and ``checkpoints`` have the same number of partitions, and a camera has its
    ``seat`` modulo that number in all of them. ``events`` has one: the correlation and the service see one order.
    """

    def __init__(self, site: Site) -> None:
        kafka = site.kafka
        self.prefix = kafka.prefix or f"lanewatch.{site.id}"
        self.partitions = kafka.partitions
        self.replication = kafka.replication
        many = kafka.partitions
        self.frames = self._topic(
            "frames", many, _kept(kafka.frames, many) | _arrival() | {"compression.type": "producer"}
        )
        self.detections = self._topic("detections", many, _kept(kafka.detections, many) | _arrival() | _zstd())
        self.events = self._topic("events", 1, _kept(kafka.events, 1) | _arrival() | _zstd())
        self.site = self._topic("site", many, _compacted())
        self.checkpoints = self._topic("checkpoints", many, _compacted())
        self.holders = self._topic("holders", 1, _compacted())

    @property
    def all(self) -> tuple[Topic, ...]:
        """Every one of them."""
        return (self.frames, self.detections, self.events, self.site, self.checkpoints, self.holders)

    def group(self, stage: str) -> str:
        """The name of a stage's consumer group."""
        return f"{self.prefix}.{stage}"

    def _topic(self, stream: Stream, partitions: int, config: dict[str, str]) -> Topic:
        config = config | {"max.message.bytes": str(ROOM_BYTES)}
        return Topic(stream, f"{self.prefix}.{stream}", partitions, config)


def _kept(retention: TopicRetention, partitions: int) -> dict[str, str]:
    each = int(retention.gigabytes * 1e9 / partitions)
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(int(retention.minutes * 60_000)),
        "retention.bytes": str(each),
        "segment.ms": str(SEGMENT_S * 1000),
        # A broker refuses a record that is larger than a segment may be.
        "segment.bytes": str(max(ROOM_BYTES, min(256 << 20, each // 4))),
        # A deleted segment stays on the disk for so long, for who is reading it: a minute of frames is gigabytes.
        "file.delete.delay.ms": str(DELETE_S * 1000),
    }


def _arrival() -> dict[str, str]:
    # A clip played with a simulated clock would else expire at once, or be refused.
    return {"message.timestamp.type": "LogAppendTime"}


def _zstd() -> dict[str, str]:
    return {"compression.type": "zstd"}


def _compacted() -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "compression.type": "zstd",
        "min.cleanable.dirty.ratio": "0.1",
        "segment.ms": str(SEGMENT_S * 1000),
        "delete.retention.ms": "3600000",
    }


DEMANDED = ("cleanup.policy", "message.timestamp.type", "max.message.bytes")
"""Settings without which records are lost or refused; others only keep more or less than was asked for."""

READY_MS = 10_000
"""How long a new topic may take until every partition of it has a leader."""

_CREATED = ("NoError", "TopicAlreadyExistsError")
_NEEDED = {
    "InvalidReplicationFactorError": "there are fewer brokers than `kafka.replication` of the site file asks for"
}


def ensure_topics(broker: Broker, topics: Topics, *, alter: bool = False) -> None:
    """Creates the topics that are missing, and looks at those that are there. Several stages may do so at once.

    Args:
        broker: where.
        topics: what must be there.
        alter: whether retention and the like are changed to what the site file says; else a line in the log says
            where they differ.

    Raises:
        BrokerAwayError: the broker can't be reached just now.
        BrokerError: a topic can't be created, or one is there that must be another.
    """
    with broker.administering() as admin:
        found = _described(admin, topics)
        missing = [topic for topic in topics.all if topic.name not in found]
        if missing:
            _create(broker, admin, missing, topics.replication)
            found = _described(admin, topics)
        for topic in topics.all:
            _check_partitions(broker, topic, len(found[topic.name]["partitions"]))
        _check_config(broker, admin, topics.all, alter)


def _described(admin: KafkaAdminClient, topics: Topics) -> dict[str, Mapping[str, Any]]:
    """The topics that are there."""
    found = {}
    for one in admin.describe_topics([topic.name for topic in topics.all]):
        error = for_code(one["error_code"])
        if error.__name__ == "NoError":
            found[one["name"]] = one
        elif error.__name__ not in ("UnknownTopicOrPartitionError", "LeaderNotAvailableError"):
            raise error(f"topic {one['name']}")
    return found


def _create(broker: Broker, admin: KafkaAdminClient, missing: Iterable[Topic], replication: int) -> None:
    wanted = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": replication,
            "configs": topic.config,
        }
        for topic in missing
    }
    for one in admin.create_topics(wanted, raise_errors=False)["topics"]:
        error = for_code(one["error_code"])
        if error.__name__ in _CREATED:
            continue
        why = _NEEDED.get(error.__name__) or one["error_message"] or error.__name__
        command = _command(broker, "kafka-topics.sh", _creation(wanted[one["name"]], one["name"]))
        raise BrokerError(
            f"topic {one['name']} is missing at {broker.where} and can't be created: {why}; create it as an "
            f"administrator: {command}"
        )
    admin.wait_for_topics(list(wanted), timeout_ms=READY_MS)


def _creation(wanted: Mapping[str, Any], name: str) -> str:
    configs = " ".join(f"--config {key}={value}" for key, value in wanted["configs"].items())
    return (
        f"--create --topic {name} --partitions {wanted['num_partitions']} "
        f"--replication-factor {wanted['replication_factor']} {configs}"
    )


def _check_partitions(broker: Broker, topic: Topic, has: int) -> None:
    if has == topic.partitions:
        return
    what = f"topic {topic.name} at {broker.where} has {has} partitions, and "
    if topic.stream in ("events", "holders"):
        raise BrokerError(f"{what}it must have one: its records have one order; give another `kafka.prefix`")
    more = (
        ""
        if has > topic.partitions
        else (f" (`{_command(broker, 'kafka-topics.sh', f'--delete --topic {topic.name}')}` drops what it holds)")
    )
    raise BrokerError(
        f"{what}the site file asks for {topic.partitions}; a camera's records would be torn apart. Set "
        f"`kafka.partitions: {has}` if all four topics have as many, or give another `kafka.prefix`, or let the topic "
        f"be made anew{more}"
    )


def _check_config(broker: Broker, admin: KafkaAdminClient, all: Iterable[Topic], alter: bool) -> None:
    wanted = {topic.name: topic.config for topic in all}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, list(config)) for name, config in wanted.items()]
    has = admin.describe_configs(resources, config_filter="all")["topic"]
    for name, config in wanted.items():
        if not has.get(name):
            raise TopicAuthorizationFailedError(f"the settings of topic {name} may not be read")
        differs = {key: value for key, value in config.items() if not _fits(key, has[name][key]["value"], value)}
        for key in (key for key in DEMANDED if key in differs):
            raise BrokerError(
                f"topic {name} at {broker.where} has {key}={has[name][key]['value']}, and it must be {config[key]}; "
                f"change it ({_change(broker, name, {key: config[key]})}), or give another `kafka.prefix`"
            )
        if differs and alter:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, differs)])
            _log.info("topic %s has now %s", name, _pairs(differs))
        elif differs:
            _log.warning(
                "topic %s has %s, and the site file asks for %s; this changes it: %s",
                name,
                _pairs({key: has[name][key]["value"] for key in differs}),
                _pairs(differs),
                _change(broker, name, differs),
            )


def _fits(key: str, has: str, wanted: str) -> bool:
    return int(has) >= int(wanted) if key == "max.message.bytes" else has == wanted


def _change(broker: Broker, name: str, config: Mapping[str, str]) -> str:
    pairs = ",".join(f"{key}={value}" for key, value in config.items())
    return _command(
        broker, "kafka-configs.sh", f"--alter --entity-type topics --entity-name {name} --add-config {pairs}"
    )


def _pairs(config: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in config.items())


def _command(broker: Broker, tool: str, arguments: str) -> str:
    return f"{tool} --bootstrap-server {broker.addresses[0]} {arguments}"
