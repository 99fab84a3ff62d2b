"""Detect and serve workers without a broker, and a worker that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka_server import BrokerProcess
from streams.kafka import codec
from streams.kafka.evidence.frame_store import KafkaFrameStore
from streams.kafka.workers.detect_worker import DetectWorker
from streams.kafka.workers.event_store_worker import EventStoreWorker
from tests.streams.kafka.kafka_site import KafkaSite, picture, running, until
from tests.streams.kafka.workers.test_detect_worker import RecordingDetector
from tests.streams.kafka.workers.test_event_store_worker import RecordingStore, event


@pytest.fixture
def own_broker() -> Iterator[BrokerProcess]:
    """A broker that may be killed."""
    with BrokerProcess() as process:
        yield process


def test_workers_continue_after_a_broker_failure_and_nothing_is_lost(own_broker: BrokerProcess) -> None:
    kafka_site = KafkaSite(own_broker.address, cameras=("a",), partitions=1)
    storing = RecordingStore()
    footage = KafkaFrameStore(kafka_site.broker, kafka_site.topics, lambda camera: 0)
    detect = DetectWorker(kafka_site.broker, kafka_site.topics, RecordingDetector(), max_age_s=None)
    serve = EventStoreWorker(kafka_site.broker, kafka_site.topics, storing, node="one")
    with running(detect), running(serve):
        for number in range(10):
            kafka_site.frame(picture("a", number * 100))
            kafka_site.send(kafka_site.topics.events.name, 0, codec.encode_event(event(number)))
        kafka_site.flush()
        kafka_site.detections(10)
        until(lambda: len(storing.events) == 10, "the first events")
        own_broker.kill()
        for number in range(10, 20):  # these wait in the client until the broker is back
            kafka_site.frame(picture("a", number * 100))
            kafka_site.send(kafka_site.topics.events.name, 0, codec.encode_event(event(number)))
        held = footage.hold("a", 0.0, 2.0)
        own_broker.start()
        kafka_site.flush()
        every = {number * 100 for number in range(20)}
        until(lambda: {record.slot for record in kafka_site.detections(20)} == every, "all frames, some of them twice")
        until(lambda: len({event.id for event in storing.events}) == 20, "all events")
        assert held.covered == (0.0, 1.9)
        until(lambda: kafka_site.committed("detect", kafka_site.topics.frames.name) == {0: 20}, "the frames' place")
        until(lambda: kafka_site.committed("serve", kafka_site.topics.events.name) == {0: 20}, "the events' place")
    footage.close()
    kafka_site.close()


WORKER = """
import sys, threading, time
from lanewatch.records import Detections
from lanewatch.config.site import Site
from streams.kafka.client.connection import Broker
from streams.kafka.workers.detect_worker import DetectWorker
from streams.kafka.client.topics import Topics

def seeing(frames):
    time.sleep(0.02)
    return [Detections.empty(frame, model=sys.argv[2]) for frame in frames]

site = Site.model_validate_json(open(sys.argv[1]).read())
DetectWorker(Broker(site, "w"), Topics(site), seeing, max_age_s=None).run(threading.Event())
"""


def test_a_killed_workers_partitions_are_taken_over_without_a_missing_frame(broker: str, tmp_path: Path) -> None:
    kafka_site = KafkaSite(broker, cameras=("a", "b"), partitions=2)
    file = tmp_path / "site.json"
    file.write_text(kafka_site.site.model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-c", WORKER, str(file)]
    workers = [subprocess.Popen([*command, name]) for name in ("first", "second")]
    try:
        for number in range(5):
            for camera in "ab":
                kafka_site.frame(picture(camera, number))
        kafka_site.flush()
        until(
            lambda: len(kafka_site.committed("detect", kafka_site.topics.frames.name)) == 2,
            "both partitions are worked on",
        )
        os.kill(workers[0].pid, signal.SIGKILL)
        began = time.monotonic()
        for number in range(5, 105):
            for camera in "ab":
                kafka_site.frame(picture(camera, number))
        kafka_site.flush()
        records = kafka_site.records(
            kafka_site.topics.detections.name,
            lambda found: len({(record.camera, record.slot) for record in map(codec.decode_detections, found)}) == 210,
        )
        assert time.monotonic() - began < 30  # the chaos proofs time it on a quiet machine
        last = {
            camera: [d.slot for d in map(codec.decode_detections, records) if d.camera == camera] for camera in "ab"
        }
        for slots in last.values():
            assert sorted(set(slots)) == list(range(105))
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
        kafka_site.close()
