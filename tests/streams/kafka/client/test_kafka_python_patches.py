from __future__ import annotations

from kafka.coordinator.base import MemberState

from streams.kafka.consumer.offset_tracker import OffsetTracker
from tests.streams.kafka.kafka_site import KafkaSite, until


def test_a_forgotten_join_is_completed(broker: str) -> None:
    """The client library forgets the join when its metadata lacks the topic for a moment."""
    kafka_site = KafkaSite(broker, cameras=("a",), partitions=1)
    member = kafka_site.broker.member(kafka_site.topics.group("detect"))
    shares = OffsetTracker(member)
    shares.subscribe(kafka_site.topics.frames.name)
    until(lambda: member.poll(timeout_ms=50) is not None and bool(shares.partitions), "joined")
    coordinator = member._coordinator
    coordinator._disable_heartbeat()
    coordinator.state = MemberState.REBALANCING
    assert not coordinator.need_rejoin()
    until(lambda: member.poll(timeout_ms=50) is not None and coordinator.state is MemberState.STABLE, "joined again")
    assert shares.partitions == {0}
    member.close(timeout_ms=2000)
    kafka_site.close()
