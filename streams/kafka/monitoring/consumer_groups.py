"""The consumer group of each stage: its members, their partitions and the committed offsets."""

from __future__ import annotations

from typing import Any

import msgspec
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from streams.kafka.client.topics import Topic, Topics

REQUIRED_STAGES = ("sample", "detect", "watch", "correlate", "serve")
"""Without one of them no events reach the service."""

OPTIONAL_STAGES = ("archive",)


class GroupMember(msgspec.Struct, frozen=True):
    """A process in a consumer group, with its partitions."""

    node: str
    host: str
    partitions: tuple[int, ...]


class ConsumerGroup(msgspec.Struct, frozen=True):
    """A stage's consumer group.

    Attributes:
        state: As the broker calls it, such as ``Stable``; ``Empty`` or ``Dead`` without members.
        members: Ordered by name.
        partitions: Number of partitions of the stage's input.
        offsets: Committed offset of each partition, if there is one.
    """

    stage: str
    state: str
    members: tuple[GroupMember, ...]
    partitions: int
    offsets: dict[int, int]

    @property
    def unowned(self) -> tuple[int, ...]:
        """Partitions without a member."""
        assigned = {partition for member in self.members for partition in member.partitions}
        return tuple(sorted(set(range(self.partitions)) - assigned))


def input_topic(stage: str, topics: Topics) -> Topic:
    """The topic whose partitions are assigned to a stage's processes."""
    return {
        "sample": topics.site,
        "detect": topics.frames,
        "watch": topics.detections,
        "archive": topics.detections,
        "correlate": topics.events,
        "serve": topics.events,
    }[stage]


def read_groups(admin: KafkaAdminClient, topics: Topics) -> list[ConsumerGroup]:
    """The groups of all stages; an optional stage only if it has ever run.

    Raises:
        kafka.errors.KafkaError: the broker does not answer or refuses.
    """
    names = {stage: topics.group(stage) for stage in (*REQUIRED_STAGES, *OPTIONAL_STAGES)}
    described = admin.describe_groups(list(names.values()))
    committed = admin.list_group_offsets(list(names.values()))
    found = []
    for stage, name in names.items():
        description = described.get(name, {})
        state = str(description.get("group_state") or "Dead")
        topic = input_topic(stage, topics)
        offsets = {
            partition.partition: int(position.offset)
            for partition, position in committed.get(name, {}).items()
            if partition.topic == topic.name and position.offset >= 0
        }
        if stage in OPTIONAL_STAGES and not description.get("members") and not offsets:
            continue
        members = [_member(member, stage, topic.name) for member in description.get("members", ())]
        members.sort(key=lambda member: member.node)
        found.append(ConsumerGroup(stage, state, tuple(members), topic.partitions, offsets))
    return found


def end_offsets(admin: KafkaAdminClient, topics: Topics) -> dict[TopicPartition, int]:
    """The end offset of each partition that a stage reads.

    Raises:
        kafka.errors.KafkaError: the broker does not answer or refuses.
    """
    latest = {
        TopicPartition(topic.name, number): OffsetSpec.LATEST
        for topic in (topics.frames, topics.detections, topics.events)
        for number in range(topic.partitions)
    }
    return {partition: int(end.offset) for partition, end in admin.list_partition_offsets(latest).items()}


def _member(description: dict[str, Any], stage: str, topic: str) -> GroupMember:
    assignment = description.get("member_assignment") or {}
    partitions = [
        partition
        for assigned in (assignment.get("assigned_partitions", ()) if isinstance(assignment, dict) else ())
        if assigned["topic"] == topic
        for partition in assigned["partitions"]
    ]
    command = "keep" if stage == "archive" else stage  # a client id is the command and the node
    node = str(description.get("client_id") or description.get("member_id")).removeprefix(f"{command}-")
    return GroupMember(node, str(description.get("client_host", "")).lstrip("/"), tuple(sorted(partitions)))
