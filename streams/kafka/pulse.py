"""What a consumer's loop tells about itself once a second: what it holds, how far behind it is, whose clock is off."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import telemetry

BEAT_S = 1.0

CLOCK_S = 60.0
"""The least delay of a minute is taken: what is above it is waiting, not the clock."""


class Pulse:
    """Called with whatever a poll gave, it keeps the stage's gauges; cheap enough for every poll.

    Args:
        stage: as the metrics call it.
        topic: that its lag is about.
    """

    def __init__(self, stage: str, topic: str) -> None:
        self._stage = stage
        self._topic = topic
        self._told = 0.0
        self._clock = Clock()

    def beat(self, consumer: KafkaConsumer, polled: Mapping[Any, Iterable[ConsumerRecord]] | None = None) -> None:
        """Tells what there is to tell, at most once a second; ``polled`` are the records that have just come."""
        now = time.monotonic()
        if now - self._told < BEAT_S:
            return
        self._told = now
        mine = [one for one in consumer.assignment() if one.topic == self._topic]
        telemetry.held(self._stage, self._topic, {one.partition for one in mine})
        behind = 0
        for one in mine:
            end = consumer.highwater(one)
            if end is None:  # nothing was fetched yet; where that ends is not known either
                continue
            lag = end - (consumer.position(one, timeout_ms=0) or 0)
            behind = max(behind, lag)
            telemetry.lag(self._stage, self._topic, one.partition, lag)
        if polled and not behind:
            self._saw(polled)

    def _saw(self, polled: Mapping[Any, Iterable[ConsumerRecord]]) -> None:
        newest = max((record.timestamp for records in polled.values() for record in records), default=None)
        if newest is not None:
            telemetry.drift(self._stage, self._clock.saw(newest / 1000))

    @property
    def drift_s(self) -> float:
        """This machine's clock less the broker's, as far as is known; a consumer's way adds some milliseconds."""
        return self._clock.drift_s


class Clock:
    """This machine's clock against the broker's, which stamps what it appends.

    A record is seen after it was appended: the least of what lies between within the last minute is nearest to the
    difference of the clocks.
    """

    def __init__(self) -> None:
        self._seen: list[tuple[float, float]] = []

    @property
    def drift_s(self) -> float:
        """This clock less the broker's; 0 while nothing was seen."""
        return min((one for _, one in self._seen), default=0.0)

    def saw(self, appended_at: float) -> float:
        """Takes a record's append time, seconds by the broker's clock, at the moment when it came."""
        now = time.monotonic()
        apart = time.time() - appended_at
        # Only what may still become the least is kept: later ones that are smaller replace what is before them.
        kept = [(at, one) for at, one in self._seen if now - at < CLOCK_S and one < apart]
        self._seen = [*kept, (now, apart)]
        return self.drift_s
