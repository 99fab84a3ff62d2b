"""The broker of tests, benchmarks and `make kafka`: it continues with its data and always ends with its starter."""

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

ROOT = Path(__file__).parents[2]
STARTER = """
import time
from deploy.kafka_server import BrokerProcess
process = BrokerProcess()
process.start()
print(process.pid, process.folder, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def own_broker() -> Iterator[BrokerProcess]:
    """A broker that tests stop and start. Another process takes its first port before it starts."""
    with socket.socket() as other, pytest.MonkeyPatch.context() as patch:
        other.bind(("127.0.0.1", 0))
        other.listen()
        patch.setattr(module, "free_port", chain([other.getsockname()[1]], iter(free_port, None)).__next__)
        # Retention is otherwise checked only half a minute after the start.
        process = BrokerProcess(properties={"log.initial.task.delay.ms": "500"})
        assert process.address == f"127.0.0.1:{other.getsockname()[1]}"
        process.start()
        assert process.address != f"127.0.0.1:{other.getsockname()[1]}"
    yield process
    process.__exit__(None, None, None)
    assert not process.folder.exists()


def until(condition: Callable[[], object], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
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


@pytest.mark.slow
def test_after_a_power_failure_it_continues_with_its_data_and_address(own_broker: BrokerProcess) -> None:
    present = site(own_broker.address, partitions=1)
    broker, topics = Broker(present, "test", {}), Topics(present)
    ensure_topics(broker, topics)
    send(own_broker.address, topics.events.name, [b"before"])
    address = own_broker.address
    own_broker.kill()
    assert not own_broker.running
    own_broker.start()
    assert own_broker.address == address
    with broker.consumer() as consumer:
        consumer.assign([TopicPartition(topics.events.name, 0)])
        found = [record for records in consumer.poll(20_000).values() for record in records]
    assert [record.value for record in found] == [b"before"]


@pytest.mark.slow
def test_a_topic_shrinks_to_the_retention_of_the_site_file(own_broker: BrokerProcess) -> None:
    """The disk space as docs/kafka.md states it: the bytes, a segment, and what arrives between two checks.

    The test sends 20 MB; the broker may start to delete before the last record arrives.
    """
    present = site(own_broker.address, partitions=1, frames=TopicRetention(minutes=60, gigabytes=0.004))
    broker, topics = Broker(present, "test", {}), Topics(present)
    ensure_topics(broker, topics)
    segment = int(topics.frames.config["segment.bytes"])
    frame = os.urandom(40_000)
    send(own_broker.address, topics.frames.name, [frame] * 500)
    partition = TopicPartition(topics.frames.name, 0)

    def size_on_disk(admin: KafkaAdminClient) -> int:
        (described,) = admin.describe_log_dirs({partition.topic: [0]})
        (log,) = [log for place in described["log_dirs"] for log in place["topics"] if log["name"] == partition.topic]
        return int(log["partitions"][0]["partition_size"])

    with KafkaAdminClient(bootstrap_servers=own_broker.address) as admin:
        until(lambda: size_on_disk(admin) <= 4_000_000 + segment, 40)
    with broker.consumer() as consumer:
        assert consumer.beginning_offsets([partition])[partition] > 0
        assert consumer.end_offsets([partition])[partition] == 500


def test_it_ends_when_its_starter_is_killed() -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid, folder = starter.stdout.readline().split()
    assert is_running(int(pid))
    starter.kill()
    starter.wait()
    starter.stdout.close()
    until(lambda: not is_running(int(pid)), 10)
    assert Path(folder).exists()
    module._temporary().rmdir()  # the next start removes it
    assert not Path(folder).exists()


def test_it_cannot_be_started_twice(own_broker: BrokerProcess) -> None:
    with pytest.raises(RuntimeError, match="running already"):
        own_broker.start()


def test_an_invalid_setting_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"cannot be formatted: (?s:.*)num\.io\.threads"):
        BrokerProcess(tmp_path, properties={"num.io.threads": "many"}).start()


def test_free_ports_are_not_ephemeral() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = [free_port() for _ in range(20)]
    assert max(ports) < lowest
    assert len(set(ports)) > 15


def test_make_kafka_ends_at_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "deploy.kafka_server", "--port", str(port), "--folder", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert f"answers on 127.0.0.1:{port}" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 0
    process.stdout.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 1)
