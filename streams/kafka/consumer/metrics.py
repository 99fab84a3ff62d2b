"""The metrics of a consumer: assigned partitions, lag, and the drift of this machine's clock."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import metrics
from streams.kafka.consumer.broker_clock import BrokerClock

INTERVAL_S = 1.0


class ConsumerMetrics:
    """Updates the gauges of a stage's consumer of a topic. Cheap enough to be called after every poll."""

    def __init__(self, stage: str, topic: str) -> None:
        self._stage = stage
        self._topic = topic
        self._updated_at = 0.0
        self._clock = BrokerClock()

    def update(self, consumer: KafkaConsumer, polled: Mapping[Any, Iterable[ConsumerRecord]]) -> None:
        """Sets the gauges, at most once a second. The broker's clock is read from ``polled`` records without lag."""
        now = time.monotonic()
        if now - self._updated_at < INTERVAL_S:
            return
        self._updated_at = now
        assigned = [partition for partition in consumer.assignment() if partition.topic == self._topic]
        metrics.set_assigned_partitions(self._stage, self._topic, {partition.partition for partition in assigned})
        largest_lag = 0
        for partition in assigned:
            end = consumer.highwater(partition)
            if end is None:  # no fetch has been answered yet
                continue
            lag = end - (consumer.position(partition, timeout_ms=0) or 0)
            largest_lag = max(largest_lag, lag)
            metrics.LAG_RECORDS.labels(self._stage, self._topic, str(partition.partition)).set(max(0, lag))
        newest = max((record.timestamp for records in polled.values() for record in records), default=None)
        if newest is None or largest_lag:
            return
        self._clock.observe(newest / 1000)
        drift = self._clock.drift
        if drift is not None:
            metrics.CLOCK_DRIFT_SECONDS.labels(self._stage).set(drift)
