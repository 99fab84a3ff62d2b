"""What a consumer's loop tells about itself once a second: what it holds, how far behind it is, whose clock is off."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import metrics
from streams.kafka.consumer.broker_clock import BrokerClock

BEAT_S = 1.0


class ConsumerMetrics:
    """Called with whatever a poll gave, it keeps the stage's gauges; cheap enough for every poll.

    Args:
        stage: as the metrics call it.
        topic: that its lag is about.
    """

    def __init__(self, stage: str, topic: str) -> None:
        self._stage = stage
        self._topic = topic
        self._told = 0.0
        self._clock = BrokerClock()

    def beat(self, consumer: KafkaConsumer, polled: Mapping[Any, Iterable[ConsumerRecord]] | None = None) -> None:
        """Tells what there is to tell, at most once a second; ``polled`` are the records that have just come."""
        now = time.monotonic()
        if now - self._told < BEAT_S:
            return
        self._told = now
        mine = [one for one in consumer.assignment() if one.topic == self._topic]
        metrics.set_assigned_partitions(self._stage, self._topic, {one.partition for one in mine})
        behind = 0
        for one in mine:
            end = consumer.highwater(one)
            if end is None:  # nothing was fetched yet; where that ends is not known either
                continue
            lag = end - (consumer.position(one, timeout_ms=0) or 0)
            behind = max(behind, lag)
            metrics.LAG_RECORDS.labels(self._stage, self._topic, one.partition).set(max(0, lag))
        if polled and not behind:
            self._saw(polled)

    def _saw(self, polled: Mapping[Any, Iterable[ConsumerRecord]]) -> None:
        newest = max((record.timestamp for records in polled.values() for record in records), default=None)
        if newest is None:
            return
        self._clock.heard(newest / 1000)
        error = self._clock.error
        if error is not None:
            metrics.CLOCK_DRIFT_SECONDS.labels(self._stage).set(error)
