"""Who is at work: the members of each stage's group, what they hold, and how far they have come."""

from __future__ import annotations

from typing import Any

import msgspec
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from streams.kafka.client.topics import Topic, Topics

NEEDED = ("sample", "detect", "watch", "correlate", "serve")
"""Stages that a city is blind without."""

OPTIONAL = ("archive",)


class GroupMember(msgspec.Struct, frozen=True):
    """A process in a group."""

    node: str
    host: str
    partitions: tuple[int, ...]


class ConsumerGroup(msgspec.Struct, frozen=True):
    """A stage's processes.

    Attributes:
        stage: such as ``detect``.
        state: the broker's word, such as ``Stable``; ``Empty`` or ``Dead`` where nobody is there.
        members: by name.
        partitions: how many there are to share.
        places: the next offset to take of each partition, as far as one has been committed.
    """

    stage: str
    state: str
    members: tuple[GroupMember, ...]
    partitions: int
    places: dict[int, int]

    @property
    def unowned(self) -> tuple[int, ...]:
        """Partitions that no member holds."""
        held = {partition for member in self.members for partition in member.partitions}
        return tuple(sorted(set(range(self.partitions)) - held))


def input_topic(stage: str, topics: Topics) -> Topic:
    """The topic whose partitions a stage's processes share."""
    return {
        "sample": topics.site,
        "detect": topics.frames,
        "watch": topics.detections,
        "archive": topics.detections,
        "correlate": topics.events,
        "serve": topics.events,
    }[stage]


def read_groups(admin: KafkaAdminClient, topics: Topics) -> list[ConsumerGroup]:
    """The groups of all stages; of those that a city can do without only what has ever been there.

    Raises:
        kafka.errors.KafkaError: the broker does not answer or refuses.
    """
    names = {stage: topics.group(stage) for stage in (*NEEDED, *OPTIONAL)}
    described = admin.describe_groups(list(names.values()))
    committed = admin.list_group_offsets(list(names.values()))
    found = []
    for stage, name in names.items():
        told = described.get(name, {})
        state = str(told.get("group_state") or "Dead")
        topic = input_topic(stage, topics)
        places = {
            one.partition: int(place.offset)
            for one, place in committed.get(name, {}).items()
            if one.topic == topic.name and place.offset >= 0
        }
        if stage in OPTIONAL and not told.get("members") and not places:
            continue
        members = tuple(sorted((_member(one, stage, topic.name) for one in told.get("members", ())), key=_name))
        found.append(ConsumerGroup(stage, state, members, topic.partitions, places))
    return found


def end_offsets(admin: KafkaAdminClient, topics: Topics) -> dict[TopicPartition, int]:
    """Where each partition of what the stages read ends: the offset of the record to come.

    Raises:
        kafka.errors.KafkaError: the broker does not answer or refuses.
    """
    read = (topics.frames, topics.detections, topics.events)
    wanted = {
        TopicPartition(topic.name, number): OffsetSpec.LATEST for topic in read for number in range(topic.partitions)
    }
    return {partition: int(told.offset) for partition, told in admin.list_partition_offsets(wanted).items()}


def _member(told: dict[str, Any], stage: str, topic: str) -> GroupMember:
    assignment = told.get("member_assignment") or {}
    held: list[int] = []
    for one in assignment.get("assigned_partitions", ()) if isinstance(assignment, dict) else ():
        if one["topic"] == topic:
            held += one["partitions"]
    command = "keep" if stage == "archive" else stage  # a process calls itself by its command and its node
    node = str(told.get("client_id") or told.get("member_id")).removeprefix(f"{command}-")
    return GroupMember(node, str(told.get("client_host", "")).lstrip("/"), tuple(sorted(held)))


def _name(member: GroupMember) -> str:
    return member.node
