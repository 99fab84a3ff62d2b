"""Topics are created as the site file specifies; wrong ones are reported with the fix."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera, KafkaConfig, Site, TopicRetention
from streams.kafka.client import acls
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.producers import ReliableProducer
from streams.kafka.client.topics import MAX_FRAME_BYTES, Topics, ensure_topics
from streams.kafka.codec import Message


def site(address: str, prefix: str, **kafka: object) -> Site:
    name = LocalizedName(ko="시험", en="Tried")
    return Site(
        name=name,
        cameras=(Camera(id="a", name=name, url="x", latitude=36, longitude=127),),
        kafka=KafkaConfig.model_validate({"brokers": [address], "prefix": prefix, "partitions": 3} | kafka),
    )


@pytest.fixture
def prefix() -> str:
    return f"t-{uuid.uuid4().hex[:10]}"


def ensured(site: Site) -> Topics:
    topics = Topics(site)
    ensure_topics(Broker(site, "test", {}), topics)
    return topics


def until(condition: Callable[[], bool]) -> None:
    """Waits: the broker applies a change a moment later."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline


def alter(address: str, topic: str, **changed: str) -> None:
    changes = {key.replace("_", "."): value for key, value in changed.items()}
    with KafkaAdminClient(bootstrap_servers=address) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, changes)])
    until(lambda: changes.items() <= config(address, topic).items())


def config(address: str, topic: str) -> dict[str, str]:
    with KafkaAdminClient(bootstrap_servers=address) as admin:
        found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    return {key: value["value"] for key, value in found["topic"][topic].items()}


def test_topics_are_created_as_the_site_file_specifies(broker: str, prefix: str) -> None:
    topics = ensured(site(broker, prefix, frames={"minutes": 10, "gigabytes": 0.3}))
    with KafkaAdminClient(bootstrap_servers=broker) as admin:
        found = {
            description["name"]: description
            for description in admin.describe_topics([topic.name for topic in topics.all])
        }
    partitions = {name.removeprefix(f"{prefix}."): len(topic["partitions"]) for name, topic in found.items()}
    assert partitions == {"frames": 3, "detections": 3, "site": 3, "checkpoints": 3, "events": 1, "holders": 1}
    frames = config(broker, f"{prefix}.frames")
    assert frames["retention.ms"] == "600000"
    assert frames["retention.bytes"] == "100000000", "of one partition"
    assert frames["message.timestamp.type"] == "LogAppendTime"
    assert frames["compression.type"] == "producer"
    assert config(broker, f"{prefix}.site")["cleanup.policy"] == "compact"


def test_several_processes_may_create_the_topics_at_once(broker: str, prefix: str) -> None:
    present = site(broker, prefix)
    with ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(ensured, present) for _ in range(6)]:
            future.result(30)
    with KafkaAdminClient(bootstrap_servers=broker) as admin:
        found = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    configured = {topic.name: topic.partitions for topic in Topics(present).all}
    assert {name: count for name, count in found.items() if name.startswith(f"{prefix}.")} == configured


@pytest.mark.parametrize("partitions", [5, 2])
def test_another_number_of_partitions_is_reported(broker: str, prefix: str, partitions: int) -> None:
    ensured(site(broker, prefix))
    with pytest.raises(
        BrokerError, match=rf"topic {prefix}\.frames at {broker} has 3.*`kafka\.partitions: 3`"
    ) as caught:
        ensured(site(broker, prefix, partitions=partitions))
    assert f"the site file has {partitions}" in str(caught.value)
    assert ("--delete" in str(caught.value)) == (partitions > 3), (
        "what is deleted is gone: only where nothing else helps"
    )


def test_a_topic_with_one_order_needs_one_partition(broker: str, prefix: str) -> None:
    with KafkaAdminClient(bootstrap_servers=broker) as admin:
        admin.create_topics({f"{prefix}.events": {"num_partitions": 3, "replication_factor": 1}})
    with pytest.raises(
        BrokerError, match=rf"topic {prefix}\.events .* has 3 partitions, and it must have one"
    ) as caught:
        ensured(site(broker, prefix))
    assert "kafka.partitions" not in str(caught.value), "no number there would help"


def test_the_largest_frame_is_accepted_with_the_smallest_retention(broker: str, prefix: str) -> None:
    present = site(broker, prefix, frames={"minutes": 1, "gigabytes": 0.01})
    topics = ensured(present)
    sender = ReliableProducer(Broker(present, "test", {}))
    try:
        sent = sender.send(topics.frames.name, 0, Message(b"a", random.randbytes(MAX_FRAME_BYTES), []))
        sender.flush(20)
        assert sent.succeeded()
    finally:
        sender.close()


@pytest.mark.parametrize(
    ("topic", "key", "value"),
    [
        ("frames", "message_timestamp_type", "CreateTime"),
        ("frames", "max_message_bytes", "1000000"),
        ("checkpoints", "cleanup_policy", "delete"),
        ("detections", "cleanup_policy", "compact"),
    ],
)
def test_a_setting_that_loses_records_is_reported(broker: str, prefix: str, topic: str, key: str, value: str) -> None:
    ensured(site(broker, prefix))
    alter(broker, f"{prefix}.{topic}", **{key: value})
    setting = key.replace("_", ".")
    with pytest.raises(BrokerError, match=rf"{prefix}\.{topic} .*{setting}={value}, and it must be") as caught:
        ensured(site(broker, prefix))
    assert f"--entity-name {prefix}.{topic} --add-config {setting}=" in str(caught.value)


def test_another_retention_is_logged_with_the_command_that_changes_it(
    broker: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    ensured(site(broker, prefix))
    present = site(broker, prefix, frames=TopicRetention(minutes=2, gigabytes=0.3))
    with caplog.at_level(logging.WARNING, "lanewatch.kafka"):
        ensured(present)
    assert f"topic {prefix}.frames has retention.ms=600000" in caplog.text
    assert "the site file has retention.ms=120000" in caplog.text
    assert f"--entity-name {prefix}.frames --add-config" in caplog.text
    alter(
        broker,
        f"{prefix}.frames",
        **{"retention_ms": "120000", "retention_bytes": "100000000", "segment_bytes": "25000000"},
    )
    until(lambda: config(broker, f"{prefix}.frames")["segment.bytes"] == "25000000")
    caplog.clear()
    ensured(present)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("lanewatch")]
    assert ours == []  # on a busy machine kafka-python warns of its own slowness


def test_every_stage_starts_without_access_rules(broker: str, prefix: str) -> None:
    present = site(broker, prefix)
    for command in ("sample", "detect", "watch", "correlate", "serve", "keep", "status", "publish", "drain"):
        acls.check_stage(Broker(present, "test", {}), Topics(present), acls.stage_of_command(command))
    assert acls.stage_of_command("publish") == acls.stage_of_command("drain") == "admin"


def test_more_replicas_than_brokers_are_reported(broker: str, prefix: str) -> None:
    with pytest.raises(
        BrokerError, match=r"cannot be created: there are fewer brokers than `kafka\.replication`.*kafka-t"
    ):
        ensured(site(broker, prefix, replication=3))
