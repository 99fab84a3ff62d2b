"""The broker that tests, benchmarks and `make kafka` start: it goes on where it was, and it is never left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from deploy import kafka_server as module
from deploy.kafka_server import BrokerProcess, free_port
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera, KafkaConfig, Site, TopicRetention
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics, ensure_topics

HOUSE = Path(__file__).parents[2]
STARTER = """
import time
from deploy.kafka_server import BrokerProcess
process = BrokerProcess()
process.start()
print(process.pid, process.folder, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def own() -> Iterator[BrokerProcess]:
    """A broker that is stopped and started. Somebody is quicker than it to take the port that was free."""
    with socket.socket() as thief, pytest.MonkeyPatch.context() as patch:
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        patch.setattr(module, "free_port", chain([thief.getsockname()[1]], iter(free_port, None)).__next__)
        # The first look at what may go is else half a minute after the start.
        process = BrokerProcess(properties={"log.initial.task.delay.ms": "500"})
        assert process.address == f"127.0.0.1:{thief.getsockname()[1]}"
        process.start()
        assert process.address != f"127.0.0.1:{thief.getsockname()[1]}"
    yield process
    process.__exit__(None, None, None)
    assert not process.folder.exists()


def until(wanted: Callable[[], object], timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not wanted():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def site(address: str, **kafka: object) -> Site:
    name = LocalizedName(ko="시험", en="Tried")
    return Site(
        name=name,
        cameras=(Camera(id="a", name=name, url="x", latitude=36, longitude=127),),
        kafka=KafkaConfig.model_validate({"brokers": [address], "prefix": f"t-{uuid.uuid4().hex[:8]}"} | kafka),
    )


def send(address: str, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=address)
    for value in values:
        producer.send(topic, value, partition=0)
    producer.flush()
    producer.close()


def test_it_goes_on_with_its_log_at_the_same_address_after_a_power_cut(own: BrokerProcess) -> None:
    told = site(own.address, partitions=1)
    broker, topics = Broker(told, "test", {}), Topics(told)
    ensure_topics(broker, topics)
    send(own.address, topics.events.name, [b"before"])
    address = own.address
    own.kill()
    assert not own.running
    own.start()
    assert own.address == address
    with broker.consumer() as consumer:
        consumer.assign([TopicPartition(topics.events.name, 0)])
        found = [record for records in consumer.poll(20_000).values() for record in records]
    assert [record.value for record in found] == [b"before"]


def test_a_topic_shrinks_to_what_the_site_file_allows(own: BrokerProcess) -> None:
    """What is stated of the disk in docs/kafka.md: the bytes, a segment, and what comes between two looks.

    Of 20 MB; the broker may begin to delete before the last of them has come.
    """
    told = site(own.address, partitions=1, frames=TopicRetention(minutes=60, gigabytes=0.004))
    broker, topics = Broker(told, "test", {}), Topics(told)
    ensure_topics(broker, topics)
    segment = int(topics.frames.config["segment.bytes"])
    frame = os.urandom(40_000)
    send(own.address, topics.frames.name, [frame] * 500)
    partition = TopicPartition(topics.frames.name, 0)

    def kept(admin: KafkaAdminClient) -> int:
        (described,) = admin.describe_log_dirs({partition.topic: [0]})
        (log,) = [one for place in described["log_dirs"] for one in place["topics"] if one["name"] == partition.topic]
        return int(log["partitions"][0]["partition_size"])

    with KafkaAdminClient(bootstrap_servers=own.address) as admin:
        until(lambda: kept(admin) <= 4_000_000 + segment, 40)
    with broker.consumer() as consumer:
        assert consumer.beginning_offsets([partition])[partition] > 0
        assert consumer.end_offsets([partition])[partition] == 500


def test_it_is_not_left_behind_when_its_starter_is_killed() -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER], cwd=HOUSE, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid, folder = starter.stdout.readline().split()
    assert lives(int(pid))
    starter.kill()
    starter.wait()
    starter.stdout.close()
    until(lambda: not lives(int(pid)), 10)
    assert Path(folder).exists()
    module._temporary().rmdir()  # whoever comes next clears up
    assert not Path(folder).exists()


def test_it_can_not_be_started_twice(own: BrokerProcess) -> None:
    with pytest.raises(RuntimeError, match="running already"):
        own.start()


def test_a_setting_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"cannot be formatted: (?s:.*)num\.io\.threads"):
        BrokerProcess(tmp_path, properties={"num.io.threads": "many"}).start()


def test_free_ports_are_none_that_the_system_gives_to_a_client() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = [free_port() for _ in range(20)]
    assert max(ports) < lowest
    assert len(set(ports)) > 15


def test_make_kafka_ends_as_it_is_asked_to(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "deploy.kafka_server", "--port", str(port), "--folder", str(tmp_path)]
    process = subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert f"answers on 127.0.0.1:{port}" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 0
    process.stdout.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 1)
