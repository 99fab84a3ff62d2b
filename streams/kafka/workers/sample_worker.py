"""The sample stage over Kafka: a node among others that share a site's cameras."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Container

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from lanewatch import metrics
from lanewatch.config.site import Camera
from lanewatch.records import Frame
from streams.kafka.client.connection import Broker, subscribe
from streams.kafka.client.producers import FrameProducer
from streams.kafka.client.topics import Topics
from streams.kafka.consumer.retry import RetryPolicy
from streams.kafka.ownership.camera_task import CameraTask
from streams.kafka.ownership.handover import OVERLAP_S, Handover
from streams.kafka.ownership.sampler_registry import Ownership, SamplerRegistry
from streams.kafka.state.site_topic import SiteTopic
from streams.video import jpeg

POLL_MS = 100
LEAVE_S = 3.0
FLUSH_S = 5.0

_IDLE_GROUP = ("Empty", "Dead")

log = metrics.log("sample")


class SampleWorker:
    """Samples the cameras of the partitions of the ``site`` topic that its group gives it.

    Nobody else decides who has which camera. What is taken away, by another node's coming, by ``drain`` or by a planned
    end, is sampled on until its successor's first frame, told on ``holders``, or for ten seconds; likewise a source
    whose URL a revision changes. Frames of both come meanwhile: they fall out by camera and slot. Where a revision
    changes a camera's privacy masks the old source ends at once: privacy goes first.

    A sampler is about now: of the site's revisions it takes the one that holds by the wall clock.

    Args:
        broker: the site's.
        topics: the site's.
        sites: followed already.
        node: what this process is called.
        begin: makes the turn of a camera; for tests.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        sites: SiteTopic,
        *,
        node: str,
        begin: Callable[[Camera, str, Callable[[Frame], None]], CameraTask] = CameraTask,
        overlap_s: float = OVERLAP_S,
    ) -> None:
        self.node = node
        self._broker = broker
        self._topics = topics
        self._sites = sites
        self._begin = begin
        self._process = f"{node}/{uuid.uuid4().hex[:8]}"
        self._begun_at = time.time()
        self._assigned = _AssignedCameras()
        self._patience = RetryPolicy("sample", f"a place among the samplers of {topics.site.name}")
        self._succession = Handover(self._turn, self._succeeded, overlap_s=overlap_s)
        self._holders: SamplerRegistry
        self._sender: FrameProducer

    @property
    def cameras(self) -> list[str]:
        """What is this node's now."""
        return sorted(self._succession.turns)

    def run(self, stop: threading.Event) -> None:
        """Samples until ``stop`` is set or the node is drained, then hands its cameras over.

        Raises:
            BrokerError: something that waiting does not mend.
        """
        try:
            self._sender = FrameProducer(self._broker, self._topics)
        except KafkaError as error:
            raise self._broker.explained(error) from error
        try:
            with SamplerRegistry(self._broker, self._topics) as self._holders:
                self._holders.read()
                self._sites.wait()
                self._share(stop)
                self._hand_over()
        finally:
            self._succession.close()
            self._sender.close(FLUSH_S)

    def _share(self, stop: threading.Event) -> None:
        consumer = self._broker.member(self._topics.group("sample"))
        subscribed = False
        try:
            while not stop.is_set() and not self._drained:
                try:
                    if not subscribed:
                        subscribe(consumer, self._topics.site.name, self._assigned)
                        subscribed = True
                    consumer.poll(POLL_MS)  # what the records say comes by ``sites``; paused, the client would spin
                except KafkaError as error:
                    self._patience.bear(error, stop)
                else:
                    self._patience.relieved()
                self._sample()
        finally:
            _leave(consumer)

    @property
    def _drained(self) -> bool:
        asked = self._holders.asked(self.node)
        return asked is not None and asked >= self._begun_at

    def _sample(self) -> None:
        assigned = self._assigned.partitions
        self._want(assigned)
        self._settle()
        metrics.CAMERAS.labels("sample").set(len(self._succession.turns))
        metrics.set_assigned_partitions("sample", self._topics.site.name, assigned)
        metrics.IN_FLIGHT_BYTES.labels("sample").set(self._sender.in_flight_bytes)

    def _want(self, partitions: Container[int]) -> None:
        site = self._sites.revisions.at(time.time())
        mine = {camera.id for camera in site.cameras if self._sites.partition(camera.id) in partitions}
        self._succession.want(mine, site.cameras, site.time_zone)

    def _settle(self) -> None:
        self._succession.settle()
        for camera, turn in self._succession.turns.items():
            if turn.first is None or turn.told:
                continue
            try:
                self._holders.tell(camera, Ownership(self.node, self._process, *turn.first, time.time()))
            except KafkaError as error:
                metrics.log_throttled(log, "holder", "camera %s: nobody was told that it is here: %r", camera, error)
                return
            turn.told = True
            log.info("camera %s is sampled here from slot %d on", camera, turn.first[1], extra={"camera": camera})

    def _hand_over(self) -> None:
        """Waits for the successors' first frames, unless there is nobody who could succeed."""
        self._want(())
        if self._succession.leaving and self._alone():
            log.info("this was the last sampler: %d cameras are sampled by nobody", len(self._succession.leaving))
            return
        while self._succession.leaving:
            self._want(())
            self._settle()
            time.sleep(POLL_MS / 1000)

    def _alone(self) -> bool:
        group = self._topics.group("sample")
        try:
            admin = self._broker.admin()
            try:
                told = admin.describe_groups([group])[group]
            finally:
                admin.close()
        except (KafkaError, KeyError) as error:
            log.warning("who else samples could not be told: %r", error)
            return True  # without a broker nobody hears of a successor either
        return str(told.get("group_state")) in _IDLE_GROUP

    def _turn(self, camera: Camera, time_zone: str) -> CameraTask:
        return self._begin(camera, time_zone, self._hand_on)

    def _hand_on(self, frame: Frame) -> None:
        try:
            partition = self._sites.partition(frame.camera)
        except KeyError:  # it has just gone from the site
            metrics.DROPPED.labels("sample", frame.camera, "unknown").inc()
            return
        self._sender.send(jpeg.pack(frame), partition)

    def _succeeded(self, camera: str) -> bool:
        holding = self._holders.of(camera)
        turn = self._succession.turns.get(camera)
        return holding is not None and holding.process != self._process and turn is None


class _AssignedCameras(ConsumerRebalanceListener):  # type: ignore[misc]
    """What the group has given us; it is told from the client's own thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._partitions: frozenset[int] = frozenset()

    @property
    def partitions(self) -> frozenset[int]:
        with self._lock:
            return self._partitions

    def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        with self._lock:
            self._partitions |= {one.partition for one in assigned}
            log.info("partitions here now: %s", ", ".join(map(str, sorted(self._partitions))) or "none")

    def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        with self._lock:
            self._partitions -= {one.partition for one in revoked}

    def on_partitions_lost(self, lost: list[TopicPartition]) -> None:
        self.on_partitions_revoked(lost)


def _leave(consumer: KafkaConsumer) -> None:
    try:
        consumer.close(autocommit=False, timeout_ms=int(LEAVE_S * 1000))
    except KafkaError as error:
        log.warning("left without a word to the group: %r", error)
