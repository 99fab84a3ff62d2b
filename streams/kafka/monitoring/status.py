"""The state of all stages of a site: processes, lag, each camera's last watermark, and problems."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from kafka import KafkaConsumer, TopicPartition

from lanewatch import metrics
from lanewatch.config.site import Site
from lanewatch.records import Gap
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.topics import Topics
from streams.kafka.monitoring import consumer_groups, topic_tail
from streams.kafka.monitoring.consumer_groups import ConsumerGroup, GroupMember
from streams.kafka.state.site_topic import SiteTopic

SITE_S = 5.0
"""Time limit of reading the site; 3,500 cameras take a second."""

INTERVAL_S = 2.5
"""Between the two measurements that show whether a lag grows; offsets are committed once a second."""

LAG_S = {"detect": 10.0, "watch": 10.0, "correlate": 60.0, "serve": 10.0, "archive": 600.0}
"""A longer lag is a problem: detect sheds at ten seconds, correlation waits a minute, the archive writes five."""

SILENT_S = 10.0
"""A sampler sends a record of each camera once a second, whether the camera can be reached or not."""

CAMERA_CLOCK_S = 3.0
"""A camera's clock that is further off is a problem, as the behaviour ``clock_drift`` has it."""

AHEAD_S = 2.0
BEHIND_S = 5.0
"""Limits of a sampler's clock. A clock that is behind looks like a slow sampler, so its limit is larger."""

PROBLEM_GAPS: tuple[Gap, ...] = ("failed", "lost", "shed", "unreadable")

log = metrics.log("status")

Code = Literal[
    "no_members",
    "rebalancing",
    "unowned",
    "behind",
    "growing",
    "silent",
    "gap",
    "unsampled",
    "clock",
    "camera_clock",
    "no_site",
    "no_topics",
]


Lag = tuple[int, float | None]
"""Number of records that wait for a group, and the age of the oldest one in seconds."""


class StatusProblem(msgspec.Struct, frozen=True):
    """A problem: its code, the stage, node or topic, the names of what is affected, and an amount."""

    code: Code
    subject: str
    names: tuple[str, ...] = ()
    amount: float = 0.0


class StageStatus(msgspec.Struct, frozen=True):
    """A stage's processes and their lag: the waiting records, and the age of the oldest; None for sample."""

    stage: str
    state: str
    members: tuple[GroupMember, ...]
    partitions: int
    unowned: tuple[int, ...]
    lag: int | None = None
    lag_s: float | None = None
    growing: bool = False


class CameraStatus(msgspec.Struct, frozen=True):
    """A camera's last watermark.

    Attributes:
        node: The sampler that has its partition.
        age_s: Time since the sampler received the record, wall clock.
        rate: Frames a second over the last watermarks.
        clock_s: The camera's clock minus ours; None if the camera does not report it.
    """

    camera: str
    partition: int
    node: str | None = None
    captured_at: float | None = None
    age_s: float | None = None
    gap: Gap | None = None
    rate: float | None = None
    clock_s: float | None = None


class ClusterStatus(msgspec.Struct, frozen=True):
    """The state at one time."""

    site: str
    at: float
    broker: str
    problems: tuple[StatusProblem, ...]
    stages: tuple[StageStatus, ...]
    cameras: tuple[CameraStatus, ...]


def load_status(broker: Broker, file: Site) -> tuple[ClusterStatus, Site]:
    """The status with the published site, or with the file's if none was published.

    Raises:
        BrokerError: the broker does not answer or refuses.
    """
    topics = Topics(file)
    site, slots = file, None
    broker.check()
    with SiteTopic(broker, topics) as sites:
        try:
            site, slots = sites.wait(SITE_S).latest, dict(sites.partition_slots)
        except BrokerError as error:  # no site, or no topic for it: the rest is shown nevertheless
            log.info("%s", error)
    return read_status(broker, topics, site.id, slots), site


def read_status(
    broker: Broker, topics: Topics, site: str, slots: Mapping[str, int] | None, *, interval_s: float = INTERVAL_S
) -> ClusterStatus:
    """Reads the status from the broker. It takes some seconds and changes nothing.

    ``slots`` are the cameras' partition slots; None if no site has been published.

    Raises:
        BrokerError: the broker does not answer or refuses.
    """
    with broker.open_admin() as admin:
        existing = {str(topic["name"]) for topic in admin.describe_topics() if not topic.get("error_code")}
        missing = tuple(topic.name for topic in topics.all if topic.name not in existing)
        if missing:
            problems: tuple[StatusProblem, ...] = (StatusProblem("no_topics", "", missing),)
            return ClusterStatus(site, time.time(), broker.address, problems, (), ())
        consumer = broker.consumer(max_poll_records=500)
        try:
            groups = consumer_groups.read_groups(admin, topics)
            before = _lags(consumer, groups, consumer_groups.end_offsets(admin, topics), topics, {})
            time.sleep(interval_s)
            groups = consumer_groups.read_groups(admin, topics)
            ends = consumer_groups.end_offsets(admin, topics)
            watermarks = topic_tail.read_watermarks(consumer, TopicPartition(topics.events.name, 0))
            lags = _lags(consumer, groups, ends, topics, watermarks.offsets)
            clock_errors = _clock_errors(consumer, ends, topics)
        finally:
            consumer.close()
    stages = tuple(_stage(group, lags.get(group.stage), before.get(group.stage)) for group in groups)
    samplers = {
        partition: member.node
        for group in groups
        if group.stage == "sample"
        for member in group.members
        for partition in member.partitions
    }
    cameras = _cameras(slots or {}, topics.partitions, samplers, watermarks)
    problems = (
        *([] if slots is not None else [StatusProblem("no_site", topics.site.name)]),
        *_stage_problems(stages),
        *_clock_problems(clock_errors, samplers),
        *_camera_problems(cameras),
    )
    return ClusterStatus(site, time.time(), broker.address, problems, stages, cameras)


def _lags(
    consumer: KafkaConsumer,
    groups: Iterable[ConsumerGroup],
    ends: Mapping[TopicPartition, int],
    topics: Topics,
    watched: Mapping[int, int],
) -> dict[str, Lag]:
    """The lag of each group by its committed offsets; for watchers by their watermarks, which are newer."""
    now = time.time()
    lags: dict[str, Lag] = {}
    for group in groups:
        topic = consumer_groups.input_topic(group.stage, topics).name
        inputs = {partition: end for partition, end in ends.items() if partition.topic == topic}
        if not inputs:
            continue
        begins = consumer.beginning_offsets(list(inputs))
        behind: dict[TopicPartition, int] = {}
        for partition, end in inputs.items():
            offset = max(group.offsets.get(partition.partition, 0), begins[partition])
            if group.stage == "watch":
                offset = max(offset, watched.get(partition.partition, 0))
            if offset < end:
                behind[partition] = offset
        oldest = [record.timestamp / 1000 for record in topic_tail.read_records(consumer, behind).values()]
        lag = sum(inputs[partition] - offset for partition, offset in behind.items())
        lags[group.stage] = lag, max(0.0, now - min(oldest)) if oldest else (0.0 if not behind else None)
    return lags


def _clock_errors(consumer: KafkaConsumer, ends: Mapping[TopicPartition, int], topics: Topics) -> dict[int, float]:
    """By partition of ``frames``: the last frame's time of reception by the sampler's clock, less its append time."""
    begins = consumer.beginning_offsets([partition for partition in ends if partition.topic == topics.frames.name])
    last = {partition: ends[partition] - 1 for partition, begin in begins.items() if ends[partition] > begin}
    errors: dict[int, float] = {}
    for partition, record in topic_tail.read_records(consumer, last).items():
        try:
            frame = codec.decode_frame(record)
        except codec.CodecError:
            continue
        errors[partition.partition] = frame.received_at - record.timestamp / 1000
    return errors


def _stage(group: ConsumerGroup, lag: Lag | None, before: Lag | None) -> StageStatus:
    unowned = group.unowned if group.members else ()
    waiting, oldest_s = lag or (None, None)
    growing = bool(waiting and before and waiting > before[0] > 0 and (oldest_s or 0.0) > LAG_S[group.stage] / 2)
    return StageStatus(group.stage, group.state, group.members, group.partitions, unowned, waiting, oldest_s, growing)


def _cameras(
    slots: Mapping[str, int], partitions: int, samplers: Mapping[int, str], watermarks: topic_tail.RecentWatermarks
) -> tuple[CameraStatus, ...]:
    now = time.time()
    cameras = []
    for camera, slot in sorted(slots.items()):
        status = CameraStatus(camera, slot % partitions, samplers.get(slot % partitions))
        recent = watermarks.cameras.get(camera)
        if recent is not None and recent.latest is not None:
            latest = recent.latest
            status = msgspec.structs.replace(
                status,
                captured_at=latest.captured_at,
                age_s=max(0.0, now - latest.received_at),
                gap=latest.gap,
                rate=recent.rate,
                clock_s=latest.clock_s,
            )
        cameras.append(status)
    return tuple(cameras)


def _stage_problems(stages: Sequence[StageStatus]) -> list[StatusProblem]:
    found = []
    for stage in stages:
        limit = LAG_S.get(stage.stage, 0.0)
        if not stage.members:
            found.append(StatusProblem("no_members", stage.stage))
        elif stage.state not in ("Stable", "Empty"):
            found.append(StatusProblem("rebalancing", stage.stage))
        elif stage.unowned:
            found.append(StatusProblem("unowned", stage.stage, tuple(map(str, stage.unowned)), len(stage.unowned)))
        if stage.lag and (stage.lag_s is None or stage.lag_s > limit):
            code: Code = "growing" if stage.growing else "behind"
            found.append(StatusProblem(code, stage.stage, (str(stage.lag),), stage.lag_s or 0.0))
    return found


def _clock_problems(errors: Mapping[int, float], samplers: Mapping[int, str]) -> list[StatusProblem]:
    worst: dict[str, float] = {}
    for partition, error in errors.items():
        node = samplers.get(partition)
        if node is not None and abs(error) > abs(worst.get(node, 0.0)):
            worst[node] = error
    return [
        StatusProblem("clock", node, (), error)
        for node, error in sorted(worst.items())
        if error > AHEAD_S or error < -BEHIND_S
    ]


def _camera_problems(cameras: Sequence[CameraStatus]) -> list[StatusProblem]:
    silent = [
        camera for camera in cameras if camera.gap != "ended" and (camera.age_s is None or camera.age_s > SILENT_S)
    ]
    affected: list[tuple[Code, str, list[CameraStatus]]] = [
        ("unsampled", "", [camera for camera in silent if camera.node is None]),
        ("silent", "", [camera for camera in silent if camera.node is not None]),
    ]
    affected += [
        ("gap", gap, [camera for camera in cameras if camera.gap == gap and camera not in silent])
        for gap in PROBLEM_GAPS
    ]
    affected.append(
        ("camera_clock", "", [camera for camera in cameras if abs(camera.clock_s or 0.0) >= CAMERA_CLOCK_S])
    )
    return [
        StatusProblem(code, subject, tuple(camera.camera for camera in found), len(found))
        for code, subject, found in affected
        if found
    ]
