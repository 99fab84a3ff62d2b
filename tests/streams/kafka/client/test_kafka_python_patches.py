from __future__ import annotations

from kafka.coordinator.base import MemberState

from streams.kafka.client import topics as kafka_topics
from streams.kafka.client.kafka_python_patches import topic_id
from streams.kafka.codec import Message
from streams.kafka.consumer.offset_tracker import OffsetTracker
from tests.streams.kafka.kafka_site import KafkaSite, until


def test_a_forgotten_join_is_completed(broker: str) -> None:
    """The client library forgets the join when its metadata lacks the topic for a moment."""
    kafka_site = KafkaSite(broker, cameras=("a",), partitions=1)
    member = kafka_site.broker.member(kafka_site.topics.group("detect"))
    shares = OffsetTracker(member)
    shares.subscribe(kafka_site.topics.frames.name)
    coordinator = member._coordinator

    def joined() -> bool:
        member.poll(timeout_ms=50)
        return bool(shares.partitions) and not coordinator.need_rejoin()

    until(joined, "joined")
    coordinator._disable_heartbeat()
    coordinator.state = MemberState.REBALANCING
    assert not coordinator.need_rejoin()
    until(lambda: member.poll(timeout_ms=50) is not None and coordinator.state is MemberState.STABLE, "joined again")
    assert shares.partitions == {0}
    member.close(timeout_ms=2000)
    kafka_site.close()


def test_a_member_keeps_its_partitions_while_its_topic_is_missing(broker: str) -> None:
    """The client library gives them up, and a sampler would stop its cameras."""
    kafka_site = KafkaSite(broker, cameras=("a",), partitions=2)
    topic = kafka_site.topics.frames.name
    member = kafka_site.broker.member(kafka_site.topics.group("detect"))
    tracker = OffsetTracker(member)
    tracker.subscribe(topic)
    until(lambda: member.poll(timeout_ms=50) is not None and bool(tracker.partitions), "joined")
    before = topic_id(member, topic)
    with kafka_site.broker.open_admin() as admin:
        admin.delete_topics([topic])
    until(lambda: member.poll(timeout_ms=50) is not None and topic_id(member, topic) is None, "missing")
    for _ in range(20):
        member.poll(timeout_ms=50)
    assert tracker.partitions == {0, 1}
    kafka_topics.ensure_topics(kafka_site.broker, kafka_site.topics)
    until(lambda: member.poll(timeout_ms=50) is not None and topic_id(member, topic) not in (None, before), "back")
    assert tracker.partitions == {0, 1}
    kafka_site.send(topic, 1, Message(b"a", b"x", [])).get(10)
    until(lambda: bool(member.poll(timeout_ms=50)), "a record of the new topic")
    member.close(timeout_ms=2000)
    kafka_site.close()
