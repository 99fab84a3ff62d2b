"""The topics: their names, how they are kept, and that they are as they should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lanewatch.site import Retention, Site

Stream = Literal["frames", "detections", "events", "site", "checkpoints", "holders"]

SEGMENT_S = 60
"""A segment is the unit that retention deletes: with larger ones a minute's retention keeps hours."""

MAX_FRAME_BYTES = 4 << 20
"""Of one record. A frame 960 wide is 40-150 KB, with four crops twice that; a broker's own bound is 1 MB."""


@dataclass(frozen=True)
class Topic:
    """A topic as it should be.

    Attributes:
        name: in the broker.
        partitions: how many.
        config: the broker's settings for it, by name.
    """

    name: str
    partitions: int
    config: dict[str, str]


class Topics:
    """A site's topics.

    ``frames``, ``detections``, ``site`` and ``checkpoints`` have the same number of partitions, and a camera has its
    ``seat`` modulo that number in all of them. ``events`` has one: the correlation and the service see one order.
    """

    def __init__(self, site: Site) -> None:
        kafka = site.kafka
        self.prefix = kafka.prefix or f"lanewatch.{site.id}"
        self.partitions = kafka.partitions
        self.replication = kafka.replication
        many = kafka.partitions
        self.frames = self._topic(
            "frames", many, _kept(kafka.frames, many) | _arrival() | {"compression.type": "producer"}
        )
        self.detections = self._topic("detections", many, _kept(kafka.detections, many) | _arrival() | _zstd())
        self.events = self._topic("events", 1, _kept(kafka.events, 1) | _arrival() | _zstd())
        self.site = self._topic("site", many, _compacted())
        self.checkpoints = self._topic("checkpoints", many, _compacted())
        self.holders = self._topic("holders", 1, _compacted())

    @property
    def all(self) -> tuple[Topic, ...]:
        """Every one of them."""
        return (self.frames, self.detections, self.events, self.site, self.checkpoints, self.holders)

    def group(self, stage: str) -> str:
        """The name of a stage's consumer group."""
        return f"{self.prefix}.{stage}"

    def _topic(self, stream: Stream, partitions: int, config: dict[str, str]) -> Topic:
        return Topic(
            f"{self.prefix}.{stream}", partitions, config | {"max.message.bytes": str(MAX_FRAME_BYTES + 65_536)}
        )


def _kept(retention: Retention, partitions: int) -> dict[str, str]:
    each = int(retention.gigabytes * 1e9 / partitions)
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(int(retention.minutes * 60_000)),
        "retention.bytes": str(each),
        "segment.ms": str(SEGMENT_S * 1000),
        "segment.bytes": str(max(1 << 20, min(256 << 20, each // 4))),
    }


def _arrival() -> dict[str, str]:
    # A clip played with a simulated clock would else expire at once, or be refused.
    return {"message.timestamp.type": "LogAppendTime"}


def _zstd() -> dict[str, str]:
    return {"compression.type": "zstd"}


def _compacted() -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "compression.type": "zstd",
        "min.cleanable.dirty.ratio": "0.1",
        "segment.ms": str(SEGMENT_S * 1000),
        "delete.retention.ms": "3600000",
    }
