"""`lanewatch status` with a real broker."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import msgspec
import pytest
from kafka import KafkaConsumer

from lanewatch.records import Watermark
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.topics import Topics
from streams.kafka.monitoring import consumer_groups, status, status_table
from streams.kafka.monitoring.status import ClusterStatus
from tests.streams.kafka.kafka_site import KafkaSite, picture, until

STAGES = ("sample", "detect", "watch", "correlate", "serve")


@pytest.fixture
def kafka_site(broker: str) -> Iterator[KafkaSite]:
    made = KafkaSite(broker)
    yield made
    made.close()


NAMES = {"correlate": ("correlate-1", "correlate-1")}
"""As `make cluster` names a process."""


@contextmanager
def members(kafka_site: KafkaSite, stages: Sequence[str] = STAGES) -> Iterator[dict[str, KafkaConsumer]]:
    """Members of each stage's group that do nothing else."""
    with ExitStack() as stack:
        found = {}
        shares = {stage: consumer_groups.input_topic(stage, kafka_site.topics).partitions for stage in stages}
        for stage in stages:
            topic = consumer_groups.input_topic(stage, kafka_site.topics)
            node, instance = NAMES.get(stage, ("node1", None))
            member = Broker(kafka_site.site, f"{stage}-{node}", environment={}).member(
                kafka_site.topics.group(stage), instance=instance
            )
            stack.callback(member.close)
            member.partitions_for_topic(topic.name)  # a leader without the topic's metadata assigns nothing
            member.subscribe([topic.name])
            found[stage] = member
        until(lambda: all(shared(found[stage], shares[stage]) for stage in stages), "all members have partitions")
        for member in found.values():
            member.commit()
        yield found


def shared(member: KafkaConsumer, share: int) -> bool:
    member.poll(timeout_ms=50)
    return len(member.assignment()) == share


def send_watermarks(kafka_site: KafkaSite, reached: dict[str, Watermark], position: int = 0) -> None:
    kafka_site.send(kafka_site.topics.events.name, 0, codec.encode_watermark("node1/0", position, reached))
    kafka_site.flush()


def read(kafka_site: KafkaSite) -> ClusterStatus:
    return status.read_status(
        kafka_site.broker, kafka_site.topics, kafka_site.site.id, kafka_site.seats, interval_s=0.1
    )


def problems(found: ClusterStatus) -> set[tuple[str, str]]:
    return {(problem.code, problem.subject) for problem in found.problems}


def test_a_healthy_site_and_then_problems(kafka_site: KafkaSite) -> None:
    now = time.time()
    with members(kafka_site) as consumers:
        for camera in kafka_site.seats:
            kafka_site.frame(picture(camera, int(now * 1000)))
        send_watermarks(kafka_site, {camera: Watermark(now - 1, now - 1, None, 2) for camera in kafka_site.seats})
        time.sleep(0.02)  # two marks of one millisecond would tell no rate
        send_watermarks(kafka_site, {camera: Watermark(now, now, None, 2) for camera in kafka_site.seats})
        found = read(kafka_site)
        assert problems(found) == set()
        by_name = {stage.stage: stage for stage in found.stages}
        assert set(by_name) == set(STAGES)
        assert [(member.node, member.partitions) for member in by_name["detect"].members] == [("node1", (0, 1, 2))]
        assert [member.node for member in by_name["correlate"].members] == ["correlate-1"]
        assert by_name["detect"].lag == 3
        assert by_name["serve"].lag == 2
        assert by_name["sample"].lag is None
        assert [(camera.camera, camera.node, camera.gap) for camera in found.cameras] == [
            (c, "node1", None) for c in "abc"
        ]
        assert all(camera.rate and camera.rate > 2 for camera in found.cameras)
        assert "All is well." in status_table.table(found, kafka_site.site, "en")

        consumers["watch"].close()
        send_watermarks(kafka_site, {"a": Watermark(now + 1, now + 1, "lost")})
        found = read(kafka_site)
        assert problems(found) == {("no_members", "watch"), ("gap", "lost")}
        text = status_table.table(found, kafka_site.site, "en")
        assert "watch: no process runs: start `lanewatch watch SITE`" in text
        assert "1 cameras out of reach: a" in text
        assert "연결 끊김" in status_table.table(found, kafka_site.site, "ko")


def test_no_process_runs(kafka_site: KafkaSite) -> None:
    found = read(kafka_site)
    assert problems(found) == {*(("no_members", stage) for stage in STAGES), ("unsampled", "")}
    assert found.problems[-1].names == ("a", "b", "c")
    assert [camera.captured_at for camera in found.cameras] == [None] * 3


def test_a_wrong_sampler_clock_and_a_silent_camera(kafka_site: KafkaSite) -> None:
    now = time.time()
    with members(kafka_site):
        ahead = picture("b", int(now * 1000))
        kafka_site.frame(msgspec.structs.replace(ahead, received_at=now + 7200))
        send_watermarks(
            kafka_site, {"a": Watermark(now, now), "b": Watermark(now, now), "c": Watermark(now - 60, now - 60)}
        )
        found = read(kafka_site)
    assert problems(found) == {("clock", "node1"), ("silent", "")}
    assert next(problem.amount for problem in found.problems if problem.code == "clock") == pytest.approx(7200, abs=5)
    assert next(problem.names for problem in found.problems if problem.code == "silent") == ("c",)


def test_a_cameras_wrong_clock(kafka_site: KafkaSite) -> None:
    now = time.time()
    with members(kafka_site):
        clocks = {"a": 32_400.0, "b": -0.2, "c": None}
        send_watermarks(kafka_site, {camera: Watermark(now, now, None, 1, clocks[camera]) for camera in clocks})
        found = read(kafka_site)
    [problem] = found.problems
    assert (problem.code, problem.names) == ("camera_clock", ("a",))
    assert {camera.camera: camera.clock_s for camera in found.cameras} == clocks
    text = status_table.table(found, kafka_site.site, "en")
    assert "the clocks of 1 cameras are wrong, synchronise them: a" in text
    assert [row.split()[-2:] for row in text.splitlines()[-3:]] == [["+9.0", "h"], ["-0.2", "s"], ["-", "-"]]
    assert "시각을 맞춰야 하는 카메라 1대: a" in status_table.table(found, kafka_site.site, "ko")


def test_lag_is_measured_in_records_and_seconds(kafka_site: KafkaSite, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(status, "LAG_S", dict.fromkeys(status.LAG_S, 0.0))
    with members(kafka_site):
        for slot in range(4):
            kafka_site.frame(picture("a", slot))
        send_watermarks(kafka_site, {camera: Watermark(now, now) for camera in kafka_site.seats})
        found = read(kafka_site)
    detect = next(stage for stage in found.stages if stage.stage == "detect")
    assert detect.lag == 4
    assert detect.lag_s is not None
    assert 0.05 < detect.lag_s < 30
    assert ("behind", "detect") in problems(found)


def test_without_topics(kafka_site: KafkaSite) -> None:
    other = kafka_site.site.model_copy(update={"kafka": kafka_site.site.kafka.model_copy(update={"prefix": "nobody"})})
    found = status.read_status(kafka_site.broker, Topics(other), "test", None, interval_s=0)
    assert problems(found) == {("no_topics", "")}
    assert "nobody.frames" in status_table.table(found, kafka_site.site, "en")


def test_without_a_broker(kafka_site: KafkaSite) -> None:
    away = kafka_site.site.kafka.model_copy(update={"brokers": ("127.0.0.1:1",)})
    broker = Broker(kafka_site.site.model_copy(update={"kafka": away}), "status", environment={})
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
        status.read_status(broker, kafka_site.topics, "test", None)
