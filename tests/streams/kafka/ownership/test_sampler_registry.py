from __future__ import annotations

import threading
import time

import pytest

from streams.kafka.client import topics as kafka_topics
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.ownership.sampler_registry import SamplerRegistry
from tests.streams.kafka.site_factory import site


@pytest.fixture
def late(broker: str) -> tuple[Broker, Topics]:
    """A broker without the site's topics: to a client, it answers late."""
    config = site({"gate": "rtsp://127.0.0.1/1"}, broker)
    return Broker(config, "test", environment={}), Topics(config)


def test_a_leave_request_waits_for_a_late_broker(late: tuple[Broker, Topics]) -> None:
    creating = threading.Timer(1.0, kafka_topics.ensure_topics, late)
    creating.start()
    with SamplerRegistry(*late) as registry:
        registry.request_leave("node-1")
        registry.wait_until(lambda: registry.leave_requested_at("node-1") is not None, 30.0, "no request")
        requested_at = registry.leave_requested_at("node-1")
    creating.join()
    assert requested_at == pytest.approx(time.time(), abs=60)
