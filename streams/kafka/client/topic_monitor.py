"""Checks that the site's topics exist while a stage runs, and creates missing ones."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from lanewatch import metrics
from streams.kafka.client import topics as kafka_topics
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerAwayError, BrokerError
from streams.kafka.client.topics import Topics

CHECK_S = 5.0
"""Between two checks: one small request of each process."""

_CLOSE_S = 1.0

log = metrics.log("kafka")


class TopicMonitor:
    """Compares the broker's topics with the site's, in a thread; a context manager.

    A topic may be deleted while the stages run, or the broker may come back with an empty disk. The monitor creates a
    missing topic as the start of a stage does. If this user may not create it, the log has the command for an
    administrator, once a minute. ``Broker.topic_ids`` has the result of each check.
    """

    def __init__(self, broker: Broker, topics: Topics, *, check_s: float = CHECK_S) -> None:
        self._broker = broker
        self._topics = topics
        self._check_s = check_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="topics", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_CLOSE_S)  # a check of a broker that does not answer ends with the process

    def _run(self) -> None:
        while not self._stop.wait(self._check_s):
            try:
                with closing(self._broker.admin()) as admin:
                    while not self._stop.is_set():
                        self._check(admin)
                        self._stop.wait(self._check_s)
            except (KafkaError, BrokerAwayError):
                continue  # the stage logs that the broker is away
            except BrokerError as error:
                metrics.log_throttled(log, "topics", "%s", error)
            except Exception:
                log.exception("the topics could not be checked")

    def _check(self, admin: KafkaAdminClient) -> None:
        before, found = self._broker.topic_ids, kafka_topics.read_ids(admin, self._topics)
        missing = [topic.name for topic in self._topics.all if topic.name not in found]
        metrics.MISSING_TOPICS.set(len(missing))
        if not missing and found == before:
            return
        self._broker.topic_ids = found
        kafka_topics.ensure_topics(self._broker, self._topics)
        metrics.MISSING_TOPICS.set(0)
        metrics.reset_throttle(log, ["topics"])
        created = [name for name, id in self._broker.topic_ids.items() if before.get(name) != id]
        if created:
            log.warning(
                "created anew, because they were missing: %s. Their earlier records are gone", ", ".join(created)
            )
