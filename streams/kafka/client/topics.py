"""The topics of a site: names, partitions and settings; creates and checks them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAuthorizationFailedError, for_code

from lanewatch import metrics
from lanewatch.config.site import Site, TopicRetention
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError

log = metrics.log("kafka")

Stream = Literal["frames", "detections", "events", "site", "checkpoints", "holders"]

SEGMENT_S = 60
"""Retention deletes whole segments: with larger ones a retention of a minute keeps hours."""

DELETE_S = 10
"""Delay between the deletion of a segment and of its file; a broker's default is a minute."""

MAX_FRAME_BYTES = 4 << 20
"""A frame 960 pixels wide is 40-150 KB, with four crops twice that; a broker's default limit is 1 MB."""

MAX_RECORD_BYTES = MAX_FRAME_BYTES + 65_536
"""The largest record with its headers, as the only one in its batch."""

_ZSTD = {"compression.type": "zstd"}

_COMPACTED = _ZSTD | {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "segment.ms": str(SEGMENT_S * 1000),
    "delete.retention.ms": "3600000",
}


@dataclass(frozen=True)
class Topic:
    """A topic as the site file specifies it, with its settings at the broker."""

    stream: Stream
    name: str
    partitions: int
    config: dict[str, str]


class Topics:
    """A site's topics.

    ``frames``, ``detections``, ``site`` and ``checkpoints`` have the same number of partitions. A camera's partition in
    them is its partition slot modulo that number. ``events`` has one partition, so its consumers see one order.
    """

    def __init__(self, site: Site) -> None:
        kafka = site.kafka
        self.prefix = kafka.prefix or f"lanewatch.{site.id}"
        self.partitions = kafka.partitions
        self.replication = kafka.replication
        frames = _retention(kafka.frames, kafka.partitions) | {"compression.type": "producer"}
        detections = _retention(kafka.detections, kafka.partitions) | _ZSTD
        self.frames = self._topic("frames", kafka.partitions, frames)
        self.detections = self._topic("detections", kafka.partitions, detections)
        self.events = self._topic("events", 1, _retention(kafka.events, 1) | _ZSTD)
        self.site = self._topic("site", kafka.partitions, _COMPACTED)
        self.checkpoints = self._topic("checkpoints", kafka.partitions, _COMPACTED)
        self.holders = self._topic("holders", 1, _COMPACTED)

    @property
    def all(self) -> tuple[Topic, ...]:
        """Every topic."""
        return (self.frames, self.detections, self.events, self.site, self.checkpoints, self.holders)

    def group(self, stage: str) -> str:
        """Name of a stage's consumer group."""
        return f"{self.prefix}.{stage}"

    def _topic(self, stream: Stream, partitions: int, config: dict[str, str]) -> Topic:
        config = config | {"max.message.bytes": str(MAX_RECORD_BYTES)}
        return Topic(stream, f"{self.prefix}.{stream}", partitions, config)


def _retention(retention: TopicRetention, partitions: int) -> dict[str, str]:
    partition_bytes = int(retention.gigabytes * 1e9 / partitions)
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(int(retention.minutes * 60_000)),
        "retention.bytes": str(partition_bytes),
        "segment.ms": str(SEGMENT_S * 1000),
        # A broker refuses a record that is larger than a segment may be.
        "segment.bytes": str(max(MAX_RECORD_BYTES, min(256 << 20, partition_bytes // 4))),
        # Until then a deleted segment uses the disk: a minute of frames is gigabytes.
        "file.delete.delay.ms": str(DELETE_S * 1000),
        # With the producer's time, a clip played with a simulated clock would expire at once, or be refused.
        "message.timestamp.type": "LogAppendTime",
    }


REQUIRED = ("cleanup.policy", "message.timestamp.type", "max.message.bytes")
"""Settings without which records are lost or refused; the others only change how much is retained."""

READY_MS = 10_000
"""Time limit for a new topic until each partition has a leader."""

_REASONS = {"InvalidReplicationFactorError": "there are fewer brokers than `kafka.replication` of the site file"}


def ensure_topics(broker: Broker, topics: Topics) -> None:
    """Creates missing topics, and checks the others. Several processes may do so at once.

    Another retention than the site file's is only logged, with the command that changes it.

    Raises:
        BrokerAwayError: the broker cannot be reached at present.
        BrokerError: a topic cannot be created, or has other partitions or settings than it must have.
    """
    with broker.open_admin() as admin:
        found = _describe(admin, topics)
        missing = [topic for topic in topics.all if topic.name not in found]
        if missing:
            _create(broker, admin, missing, topics.replication)
            found = _describe(admin, topics)
        for topic in topics.all:
            _check_partitions(broker, topic, len(found[topic.name]["partitions"]))
        _check_config(broker, admin, topics.all)
        broker.topic_ids = _ids(found)


def read_ids(admin: KafkaAdminClient, topics: Topics) -> dict[str, str]:
    """The ids of the existing topics by name; raises ``KafkaError`` if the broker does not answer."""
    return _ids(_describe(admin, topics))


def _ids(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: str(topic["topic_id"]) for name, topic in found.items()}


def _describe(admin: KafkaAdminClient, topics: Topics) -> dict[str, Mapping[str, Any]]:
    """The existing topics by name."""
    found = {}
    for topic in admin.describe_topics([topic.name for topic in topics.all]):
        error = for_code(topic["error_code"])
        if error.__name__ == "NoError":
            found[topic["name"]] = topic
        elif error.__name__ not in ("UnknownTopicOrPartitionError", "LeaderNotAvailableError"):
            raise error(f"topic {topic['name']}")
    return found


def _create(broker: Broker, admin: KafkaAdminClient, missing: Iterable[Topic], replication: int) -> None:
    wanted: dict[str, dict[str, Any]] = {
        topic.name: {"num_partitions": topic.partitions, "replication_factor": replication, "configs": topic.config}
        for topic in missing
    }
    problems = []
    for topic in admin.create_topics(wanted, raise_errors=False)["topics"]:
        name, error = topic["name"], for_code(topic["error_code"])
        if error.__name__ in ("NoError", "TopicAlreadyExistsError"):
            continue
        reason = _REASONS.get(error.__name__) or topic["error_message"] or error.__name__
        options = f"--partitions {wanted[name]['num_partitions']} --replication-factor {replication}"
        configs = _pairs(wanted[name]["configs"], " --config ")
        command = _command(broker, "kafka-topics.sh", f"--create --topic {name} {options} --config {configs}")
        problems.append(
            f"topic {name} is missing at {broker.address} and cannot be created: {reason}; create it as an "
            f"administrator: {command}"
        )
    if problems:
        raise BrokerError("; ".join(problems))
    admin.wait_for_topics(list(wanted), timeout_ms=READY_MS)


def _check_partitions(broker: Broker, topic: Topic, partitions: int) -> None:
    if partitions == topic.partitions:
        return
    what = f"topic {topic.name} at {broker.address} has {partitions} partitions, and "
    if topic.stream in ("events", "holders"):
        raise BrokerError(f"{what}it must have one, so that its records have one order; use another `kafka.prefix`")
    delete = _command(broker, "kafka-topics.sh", f"--delete --topic {topic.name}")
    more = "" if partitions > topic.partitions else f" (`{delete}` deletes its records)"
    raise BrokerError(
        f"{what}the site file has {topic.partitions}; a camera's records would be divided. Set "
        f"`kafka.partitions: {partitions}` if the other topics of cameras have as many, or use another `kafka.prefix`, "
        f"or create the topic anew{more}"
    )


def _check_config(broker: Broker, admin: KafkaAdminClient, topics: Iterable[Topic]) -> None:
    wanted = {topic.name: topic.config for topic in topics}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, list(config)) for name, config in wanted.items()]
    present = admin.describe_configs(resources, config_filter="all")["topic"]
    for name, config in wanted.items():
        if not present.get(name):
            raise TopicAuthorizationFailedError(f"this user may not read the settings of topic {name}")
        values = {key: present[name][key]["value"] for key in config}
        changes = {key: value for key, value in config.items() if not _is_enough(key, values[key], value)}
        for key in (key for key in REQUIRED if key in changes):
            raise BrokerError(
                f"topic {name} at {broker.address} has {key}={values[key]}, and it must be {config[key]}; "
                f"change it ({_change(broker, name, {key: config[key]})}), or use another `kafka.prefix`"
            )
        if changes:
            present_values = _pairs({key: values[key] for key in changes}, ", ")
            text = "topic %s has %s, and the site file has %s; this command changes it: %s"
            log.warning(text, name, present_values, _pairs(changes, ", "), _change(broker, name, changes))


def _is_enough(key: str, present: str, wanted: str) -> bool:
    return int(present) >= int(wanted) if key == "max.message.bytes" else present == wanted


def _change(broker: Broker, name: str, config: Mapping[str, str]) -> str:
    arguments = f"--alter --entity-type topics --entity-name {name} --add-config {_pairs(config, ',')}"
    return _command(broker, "kafka-configs.sh", arguments)


def _pairs(config: Mapping[str, str], separator: str) -> str:
    return separator.join(f"{key}={value}" for key, value in config.items())


def _command(broker: Broker, tool: str, arguments: str) -> str:
    return f"{tool} --bootstrap-server {broker.addresses[0]} {arguments}"
