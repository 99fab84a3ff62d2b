"""Small sites for tests of the samplers and of the log that they read their cameras from."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera, KafkaConfig, SamplingRate, Site, TopicRetention
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics, ensure_topics
from streams.kafka.state.site_topic import SiteTopic

HOUR = TopicRetention(minutes=60, gigabytes=0.5)


def site(cameras: dict[str, str], address: str, *, partitions: int = 4, fps: float = 5.0, prefix: str = "") -> Site:
    """A site of some cameras, by id and URL, with topics of its own."""
    return Site(
        id="tried",
        name=LocalizedName(ko="시험", en="Tried"),
        time_zone="UTC",
        kafka=KafkaConfig(
            brokers=(address,),
            prefix=prefix or f"t-{uuid.uuid4().hex[:12]}",
            partitions=partitions,
            frames=HOUR,
            detections=HOUR,
            events=HOUR,
        ),
        cameras=tuple(
            Camera(
                id=camera,
                name=LocalizedName(ko=camera, en=camera),
                url=url,
                latitude=36.5,
                longitude=127.8,
                rate=SamplingRate(active=fps, idle=fps),
                width=320,
            )
            for camera, url in cameras.items()
        ),
    )


@contextmanager
def followed(site: Site) -> Iterator[SiteTopic]:
    """The log of a site whose topics are made here."""
    broker, topics = Broker(site, "test", {}), Topics(site)
    ensure_topics(broker, topics)
    with SiteTopic(broker, topics) as log:
        yield log


def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Waits for something to be so."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)
