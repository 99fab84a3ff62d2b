"""Stages whose topics are deleted, and created anew, while they run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka_server import BrokerProcess
from lanewatch.records import Detections
from streams.kafka import codec
from streams.kafka.client.topic_monitor import TopicMonitor
from streams.kafka.client.topics import Topic
from streams.kafka.state.site_topic import SiteTopic
from streams.kafka.workers.archive_worker import ArchiveWorker
from streams.kafka.workers.detect_worker import DetectWorker
from streams.kafka.workers.event_store_worker import EventStoreWorker
from tests.detectors.walker_records import NOON
from tests.streams.kafka import site_factory
from tests.streams.kafka.kafka_site import KafkaSite, picture, running, until
from tests.streams.kafka.loiterer_records import LoiteringSite, footage, keys, undisturbed
from tests.streams.kafka.workers.test_archive_worker import slots
from tests.streams.kafka.workers.test_detect_worker import RecordingDetector
from tests.streams.kafka.workers.test_event_store_worker import RecordingStore, event, send_events

CHECK_S = 0.2
END = NOON + 39.8


@pytest.fixture
def lanes(broker: str) -> Iterator[LoiteringSite]:
    kafka_site = LoiteringSite(broker)
    with TopicMonitor(kafka_site.broker, kafka_site.topics, check_s=CHECK_S):
        yield kafka_site
    kafka_site.close()


@pytest.fixture
def kafka_site(broker: str) -> Iterator[KafkaSite]:
    kafka_site = KafkaSite(broker, cameras=("a",), partitions=1)
    with TopicMonitor(kafka_site.broker, kafka_site.topics, check_s=CHECK_S):
        yield kafka_site
    kafka_site.close()


def recreate(kafka_site: KafkaSite, *topics: Topic) -> None:
    """Deletes topics, and waits until the monitor has created them anew."""
    before = dict(kafka_site.broker.topic_ids)
    with kafka_site.broker.open_admin() as admin:
        admin.delete_topics([topic.name for topic in topics])
    until(
        lambda: all(
            kafka_site.broker.topic_ids.get(topic.name, before[topic.name]) != before[topic.name] for topic in topics
        ),
        "created anew",
    )


@pytest.mark.parametrize("stream", ["detections", "checkpoints", "both"])
def test_a_watcher_continues_with_its_states(lanes: LoiteringSite, stream: str) -> None:
    """Every record is processed once, in the earlier topic or in the new one: the events are those of one fold."""
    records = footage()
    half = NOON + 20
    lost = {
        "detections": [lanes.topics.detections],
        "checkpoints": [lanes.topics.checkpoints],
        "both": [lanes.topics.detections, lanes.topics.checkpoints],
    }[stream]
    with running(lanes.loop("w")):
        lanes.put([record for record in records if record.captured_at < half])
        lanes.events_until(half - 0.2)
        recreate(lanes, *lost)
        lanes.put([record for record in records if record.captured_at >= half])
        events = lanes.events_until(END)
    assert keys(events) == keys(undisturbed(lanes.watched, records))


def test_a_store_gets_the_events_of_both_topics(kafka_site: KafkaSite, caplog: pytest.LogCaptureFixture) -> None:
    store = RecordingStore()
    with running(EventStoreWorker(kafka_site.broker, kafka_site.topics, store, node="one")):
        send_events(kafka_site, event(1), event(2))
        until(lambda: len(store.events) == 2, "the first topic's")
        recreate(kafka_site, kafka_site.topics.events)
        send_events(kafka_site, event(3), event(4), event(5))
        until(lambda: len(store.events) == 5, "the new topic's")
    assert store.events == [event(number) for number in range(1, 6)]
    assert f"created anew, because they were missing: {kafka_site.topics.events.name}." in caplog.text
    assert "The earlier topic was read up to these offsets: 0: 2" in caplog.text


def test_events_that_wait_for_the_store_survive_their_topic(kafka_site: KafkaSite) -> None:
    store = RecordingStore()
    store.unavailable = True
    with running(EventStoreWorker(kafka_site.broker, kafka_site.topics, store, node="one")):
        send_events(kafka_site, event(1), event(2))
        until(lambda: store.calls, "it has tried")
        recreate(kafka_site, kafka_site.topics.events)
        send_events(kafka_site, event(3))
        store.unavailable = False
        until(lambda: len(store.events) == 3, "all")
    assert store.events == [event(1), event(2), event(3)]


@pytest.mark.parametrize("stream", ["frames", "detections"])
def test_a_detect_worker_continues(kafka_site: KafkaSite, stream: str) -> None:
    lost = {"frames": kafka_site.topics.frames, "detections": kafka_site.topics.detections}[stream]
    worker = DetectWorker(kafka_site.broker, kafka_site.topics, RecordingDetector(), max_age_s=None)
    with running(worker):
        for slot in range(20):
            kafka_site.frame(picture("a", slot))
        kafka_site.detections(20)
        recreate(kafka_site, lost)
        for slot in range(20, 25):
            kafka_site.frame(picture("a", slot))
        first = 0 if stream == "frames" else 20
        slots = {record.slot for record in kafka_site.detections(25 - first)}
    assert slots == set(range(first, 25))


def test_the_archive_keeps_the_rows_of_the_earlier_topic(kafka_site: KafkaSite, tmp_path: Path) -> None:
    def send(first: int, last: int) -> None:
        for slot in range(first, last):
            found = Detections.empty(picture("a", slot), model="double")
            kafka_site.send(kafka_site.topics.detections.name, 0, codec.encode_detections(found))
        kafka_site.flush()

    worker = ArchiveWorker(kafka_site.broker, kafka_site.topics, tmp_path, node="one")
    with running(worker):
        send(0, 20)
        until(lambda: sum(len(rows.offsets) for rows in worker._unwritten.values()) == 20, "read")
        recreate(kafka_site, kafka_site.topics.detections)
        until(lambda: list(tmp_path.rglob("*.parquet")), "written")
        assert slots(tmp_path) == {"a": list(range(20))}
        send(20, 25)
        until(lambda: sum(len(rows.offsets) for rows in worker._unwritten.values()) == 5, "read")
    assert slots(tmp_path) == {"a": list(range(25))}


def test_the_last_site_is_published_again_with_its_partitions(broker: str) -> None:
    site = site_factory.site({"a": "rtsp://127.0.0.1/1", "b": "rtsp://127.0.0.1/2"}, broker)
    changed = site.model_copy(update={"cameras": site.cameras[1:]})
    with site_factory.followed(site) as sites, TopicMonitor(sites._broker, sites._topics, check_s=CHECK_S):
        sites.publish(site)
        sites.publish(changed)
        expected, slots = sites.revisions, sites.partition_slots
        with sites._broker.open_admin() as admin:
            admin.delete_topics([sites._topics.site.name])
        assert sites.revisions is expected
        with SiteTopic(sites._broker, sites._topics) as other:
            until(lambda: not other.empty, "published again")
            assert other.wait().entries == expected.entries
            assert other.partition_slots == slots
        newest = sites.publish(site)
        assert sites.revisions.latest == newest.site


@pytest.mark.slow
def test_a_broker_with_an_empty_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    records = footage()
    half = NOON + 20
    with BrokerProcess(tmp_path / "broker") as process:
        lanes = LoiteringSite(process.address)
        store = RecordingStore()
        with (
            TopicMonitor(lanes.broker, lanes.topics, check_s=CHECK_S),
            running(lanes.loop("w")),
            running(EventStoreWorker(lanes.broker, lanes.topics, store, node="one")),
        ):
            lanes.put([record for record in records if record.captured_at < half])
            until(
                lambda: (
                    {camera for camera, mark in store.watermarks if mark.captured_at >= half - 0.2} == set(lanes.seats)
                ),
                "half",
            )
            before = dict(lanes.broker.topic_ids)
            process.stop()
            shutil.rmtree(tmp_path / "broker")
            process.start()
            until(
                lambda: set(lanes.broker.topic_ids) == set(before) and lanes.broker.topic_ids != before, "created anew"
            )
            lanes.put([record for record in records if record.captured_at >= half])
            until(
                lambda: {camera for camera, mark in store.watermarks if mark.captured_at >= END} == set(lanes.seats),
                "all",
            )
        lanes.close()
    assert keys(store.events) == keys(undisturbed(lanes.watched, records))
