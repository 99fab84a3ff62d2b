"""How a city's stages are: who is at work, how far behind, what each camera's last word is, and what is wrong."""

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
"""A site of 3,500 cameras is read within a second."""

AGAIN_S = 2.5
"""Between the two looks that tell whether a lag grows: commits come once a second."""

LAG_S = {"detect": 10.0, "watch": 10.0, "correlate": 60.0, "serve": 10.0, "archive": 600.0}
"""Waiting for longer is wrong: detect sheds at ten seconds, correlation holds a minute, the archive writes five."""

SILENT_S = 10.0
"""A sampler has a word for each camera once a second, reachable or not; nothing for ten means that nobody speaks."""

AHEAD_S = 2.0
BEHIND_S = 5.0
"""A sampler's clock: a frame is in the topic after it was taken, so that behind and slow look alike for a while."""

TROUBLED: frozenset[Gap] = frozenset({"lost", "unreadable", "failed", "shed"})

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
    "no_site",
    "no_topics",
]


class StatusProblem(msgspec.Struct, frozen=True):
    """Something that is wrong: a code, what it is about, how many, and how much."""

    code: Code
    subject: str
    names: tuple[str, ...] = ()
    amount: float = 0.0


class StageStatus(msgspec.Struct, frozen=True):
    """A stage's processes and what waits for them.

    Attributes:
        lag: Records that wait, over all partitions; None where that is not told (a sampler's input are cameras).
        lag_s: How long the one that has waited longest has waited.
        growing: More waits than some seconds ago.
    """

    stage: str
    state: str
    members: tuple[GroupMember, ...]
    partitions: int
    unowned: tuple[int, ...]
    lag: int | None = None
    lag_s: float | None = None
    growing: bool = False


class CameraStatus(msgspec.Struct, frozen=True):
    """A camera's last word, as the watchers have told it.

    Attributes:
        node: Of the sampler that has its partition.
        captured_at: Capture time of its last record.
        age_s: Since the sampler had that, wall clock.
        gap: Why that had no picture.
        rate: Pictures a second over the last ones told.
    """

    camera: str
    partition: int
    node: str | None = None
    captured_at: float | None = None
    age_s: float | None = None
    gap: Gap | None = None
    rate: float | None = None


class ClusterStatus(msgspec.Struct, frozen=True):
    """All of it, at one time."""

    site: str
    at: float
    broker: str
    problems: tuple[StatusProblem, ...]
    stages: tuple[StageStatus, ...]
    cameras: tuple[CameraStatus, ...]


class Lag(msgspec.Struct, frozen=True):
    """What waits before a group: records, and seconds of the oldest."""

    lag: int
    lag_s: float | None


def inspect(broker: Broker, file: Site) -> tuple[ClusterStatus, Site]:
    """Looks at a city; its cameras are the topic's, or the file's where none was published.

    Raises:
        BrokerError: the broker does not answer or refuses.
    """
    topics = Topics(file)
    site, seats = file, None
    broker.check()
    with SiteTopic(broker, topics) as sites:
        try:
            site, seats = sites.wait(SITE_S).latest, dict(sites.partition_slots)
        except BrokerError as error:  # no site, or no topic for it: the rest is looked at nevertheless
            log.info("%s", error)
    return read_status(broker, topics, site.id, seats), site


def read_status(
    broker: Broker, topics: Topics, site: str, seats: Mapping[str, int] | None, *, again_s: float = AGAIN_S
) -> ClusterStatus:
    """Looks at everything that the broker knows. It takes some seconds and changes nothing.

    Args:
        broker: the site's.
        topics: the site's.
        site: its id.
        seats: the cameras'; None where no site has been published.
        again_s: between the two looks that tell whether a lag grows.

    Raises:
        BrokerError: the broker does not answer, refuses, or has no such topics.
    """
    with broker.administering() as admin:
        there = {str(one["name"]) for one in admin.describe_topics() if not one.get("error_code")}
        missing = [topic.name for topic in topics.all if topic.name not in there]
        if missing:
            return ClusterStatus(
                site, time.time(), broker.where, (StatusProblem("no_topics", "", tuple(missing)),), (), ()
            )
        consumer = broker.consumer(max_poll_records=500)
        try:
            before = consumer_groups.read_groups(admin, topics)
            first = _waiting(consumer, before, consumer_groups.end_offsets(admin, topics), topics, {})
            time.sleep(again_s)
            now = consumer_groups.read_groups(admin, topics)
            ends = consumer_groups.end_offsets(admin, topics)
            told = topic_tail.read_marks(consumer, TopicPartition(topics.events.name, 0))
            waiting = _waiting(consumer, now, ends, topics, told.places)
            clocks = _clocks(consumer, ends, topics)
        finally:
            consumer.close()
    stages = tuple(_stage(group, waiting.get(group.stage), first.get(group.stage)) for group in now)
    holders = {
        partition: one.node
        for group in now
        if group.stage == "sample"
        for one in group.members
        for partition in one.partitions
    }
    cameras = _cameras(seats or {}, topics.partitions, holders, told)
    problems = (
        *([] if seats is not None else [StatusProblem("no_site", topics.site.name)]),
        *_stage_problems(stages),
        *_clock_problems(clocks, holders),
        *_camera_problems(cameras),
    )
    return ClusterStatus(site, time.time(), broker.where, problems, stages, cameras)


def _waiting(
    consumer: KafkaConsumer,
    found: Iterable[ConsumerGroup],
    ends: Mapping[TopicPartition, int],
    topics: Topics,
    judged: Mapping[int, int],
) -> dict[str, Lag]:
    """What waits before each group, by its commits; before the watchers by what they have told, which is newer."""
    now = time.time()
    waits: dict[str, Lag] = {}
    for group in found:
        topic = consumer_groups.input_topic(group.stage, topics).name
        mine = {one: end for one, end in ends.items() if one.topic == topic}
        if not mine:
            continue
        begins = consumer.beginning_offsets(list(mine))
        places = {one: max(group.places.get(one.partition, 0), begins[one]) for one in mine}
        if group.stage == "watch":
            places = {one: max(place, judged.get(one.partition, 0)) for one, place in places.items()}
        behind = {one: place for one, place in places.items() if place < mine[one]}
        oldest = [record.timestamp / 1000 for record in topic_tail.read_records(consumer, behind).values()]
        lag = sum(mine[one] - place for one, place in behind.items())
        waits[group.stage] = Lag(lag, max(0.0, now - min(oldest)) if oldest else (0.0 if not behind else None))
    return waits


def _clocks(consumer: KafkaConsumer, ends: Mapping[TopicPartition, int], topics: Topics) -> dict[int, float]:
    """By partition of the frames topic: when its last frame was taken, by its sampler, less when it was appended."""
    begins = consumer.beginning_offsets([one for one in ends if one.topic == topics.frames.name])
    places = {one: ends[one] - 1 for one, begin in begins.items() if ends[one] > begin}
    found: dict[int, float] = {}
    for one, record in topic_tail.read_records(consumer, places).items():
        try:
            frame = codec.decode_frame(record)
        except codec.CodecError:
            continue
        found[one.partition] = frame.received_at - record.timestamp / 1000
    return found


def _stage(group: ConsumerGroup, waiting: Lag | None, before: Lag | None) -> StageStatus:
    unowned = group.unowned if group.members else ()
    if waiting is None:
        return StageStatus(group.stage, group.state, group.members, group.partitions, unowned)
    limit = LAG_S.get(group.stage, 10.0)
    growing = before is not None and waiting.lag > before.lag > 0 and (waiting.lag_s or 0.0) > limit / 2
    return StageStatus(
        group.stage, group.state, group.members, group.partitions, unowned, waiting.lag, waiting.lag_s, growing
    )


def _cameras(
    seats: Mapping[str, int], partitions: int, holders: Mapping[int, str], told: topic_tail.TopicMarks
) -> tuple[CameraStatus, ...]:
    now = time.time()
    found = []
    for camera, seat in sorted(seats.items()):
        partition = seat % partitions
        mark = told.cameras.get(camera)
        one = CameraStatus(camera, partition, holders.get(partition))
        if mark is not None and mark.reached is not None:
            reached = mark.reached
            one = msgspec.structs.replace(
                one,
                captured_at=reached.captured_at,
                age_s=max(0.0, now - reached.received_at),
                gap=reached.gap,
                rate=mark.rate,
            )
        found.append(one)
    return tuple(found)


def _stage_problems(stages: Sequence[StageStatus]) -> list[StatusProblem]:
    found = []
    for stage in stages:
        limit = LAG_S.get(stage.stage, 0.0)
        if not stage.members:
            found.append(StatusProblem("no_members", stage.stage))
        elif stage.state not in ("Stable", "Empty"):
            found.append(StatusProblem("rebalancing", stage.stage))
        elif stage.unowned:
            found.append(
                StatusProblem("unowned", stage.stage, tuple(str(one) for one in stage.unowned), len(stage.unowned))
            )
        if stage.lag and (stage.lag_s is None or stage.lag_s > limit):
            code: Code = "growing" if stage.growing else "behind"
            found.append(StatusProblem(code, stage.stage, (str(stage.lag),), stage.lag_s or 0.0))
    return found


def _clock_problems(clocks: Mapping[int, float], holders: Mapping[int, str]) -> list[StatusProblem]:
    worst: dict[str, float] = {}
    for partition, apart in clocks.items():
        node = holders.get(partition)
        if node is not None and abs(apart) > abs(worst.get(node, 0.0)):
            worst[node] = apart
    off = {node: apart for node, apart in worst.items() if apart > AHEAD_S or apart < -BEHIND_S}
    return [StatusProblem("clock", node, (), apart) for node, apart in sorted(off.items())]


def _camera_problems(cameras: Sequence[CameraStatus]) -> list[StatusProblem]:
    found = []
    silent = [one for one in cameras if one.gap != "ended" and (one.age_s is None or one.age_s > SILENT_S)]
    unsampled = tuple(one.camera for one in silent if one.node is None)
    unheard = tuple(one.camera for one in silent if one.node is not None)
    if unsampled:
        found.append(StatusProblem("unsampled", "", unsampled, len(unsampled)))
    if unheard:
        found.append(StatusProblem("silent", "", unheard, len(unheard)))
    quiet = {one.camera for one in silent}
    for gap in sorted(TROUBLED):
        names = tuple(one.camera for one in cameras if one.gap == gap and one.camera not in quiet)
        if names:
            found.append(StatusProblem("gap", gap, names, len(names)))
    return found
