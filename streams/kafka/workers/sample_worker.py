"""The sample stage over Kafka: one node of those that share a site's cameras."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Collection, Container, Mapping, Sequence
from contextlib import closing
from functools import partial

from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from lanewatch import metrics
from lanewatch.records import Frame
from streams.kafka.client.connection import Broker
from streams.kafka.client.producers import FrameProducer
from streams.kafka.client.topics import Topics
from streams.kafka.consumer.offset_tracker import AssignedPartition
from streams.kafka.ownership.camera_task import CameraTask
from streams.kafka.ownership.handover import Handover
from streams.kafka.ownership.sampler_registry import Ownership, SamplerRegistry
from streams.kafka.state.site_topic import SiteTopic
from streams.kafka.workers.worker_loop import POLL_S, WorkerLoop
from streams.video import jpeg

FLUSH_S = 5.0

_IDLE_GROUP = ("Empty", "Dead")


class SampleWorker(WorkerLoop):
    """Samples the cameras of the partitions of the ``site`` topic that are assigned to this node.

    The consumer group alone decides which node samples which camera; the topic's records are read by ``SiteTopic``. A
    camera moves when another node joins, at ``lanewatch drain``, or at a planned end. The old node samples it until
    the new node's first frame, which the topic ``holders`` announces, for ten seconds at most. A source whose URL a
    revision changes is replaced in the same way. Frames of both arrive meanwhile; the watch stage drops duplicates by
    camera and slot. If a revision changes a camera's privacy masks, the old source ends at once.

    A sampler uses the site revision that is in effect by the wall clock. ``sites`` must be followed already.
    """

    def __init__(self, broker: Broker, topics: Topics, sites: SiteTopic, *, node: str) -> None:
        super().__init__("sample", topics.site, broker, topics, group="sample")
        self.node = node
        self._sites = sites
        self._process = f"{node}/{uuid.uuid4().hex[:8]}"
        self._started_at = time.time()
        self._handover = Handover(partial(CameraTask, on_frame=self._send), self._has_successor)
        self._registry: SamplerRegistry
        self._producer: FrameProducer

    @property
    def cameras(self) -> list[str]:
        """The cameras that this node samples now."""
        return sorted(self._handover.tasks)

    def run(self, stop: threading.Event) -> None:
        """Samples until ``stop`` is set or the node is drained, then hands its cameras over.

        Raises:
            BrokerError: the broker refuses; a retry cannot help.
        """
        try:
            self._producer = FrameProducer(self._broker, self._topics)
        except KafkaError as error:
            raise self._broker.to_broker_error(error) from error
        try:
            with SamplerRegistry(self._broker, self._topics) as self._registry:
                self._registry.read()
                self._sites.wait()
                super().run(stop)
                self._hand_over()
        finally:
            self._handover.close()
            self._producer.close(FLUSH_S)

    @property
    def _ended(self) -> bool:
        drained_at = self._registry.leave_requested_at(self.node)
        return super()._ended or (drained_at is not None and drained_at >= self._started_at)

    def _handle(self, record: ConsumerRecord, assigned: AssignedPartition) -> None:
        """Ignores the record, which ``SiteTopic`` reads. Without polling it, the client would spin."""

    def _work(self) -> None:
        self._sites.raise_if_failed()
        self._registry.raise_if_failed()
        assigned = self.partitions
        self._select_cameras(assigned)
        self._announce()
        metrics.CAMERAS.labels("sample").set(len(self._handover.tasks))
        metrics.set_assigned_partitions("sample", self._source, assigned)
        metrics.IN_FLIGHT_BYTES.labels("sample").set(self._producer.in_flight_bytes)

    def _topics_recreated(self, names: Collection[str]) -> None:
        if self._topics.holders.name in names:
            for task in self._handover.tasks.values():
                task.announced = False

    def _while_broker_fails(self) -> None:
        self._work()

    def _measure(self, polled: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        """Measures nothing: old records of a table tell neither lag nor clock drift."""

    def _select_cameras(self, partitions: Container[int]) -> None:
        site = self._sites.revisions.site_at(time.time())
        own = {camera.id for camera in site.cameras if self._sites.partition(camera.id) in partitions}
        self._handover.set_cameras(own, site.cameras, site.time_zone)

    def _announce(self) -> None:
        """Ends the tasks that have a successor, and announces the first frames of this node's cameras."""
        self._handover.update()
        for camera, task in self._handover.tasks.items():
            if task.first_frame is None or task.announced:
                continue
            try:
                self._registry.announce(camera, Ownership(self.node, self._process, *task.first_frame, time.time()))
            except KafkaError as error:
                problem = "camera %s: its sampler could not be announced: %r"
                metrics.log_throttled(self._log, "holder", problem, camera, error)
                return
            task.announced = True
            slot = task.first_frame[1]
            self._log.info("camera %s is sampled here from slot %d on", camera, slot, extra={"camera": camera})

    def _hand_over(self) -> None:
        """Waits for the successors' first frames, unless there is no other sampler."""
        self._select_cameras(())
        if self._handover.leaving and self._is_last_sampler():
            self._log.info("this was the last sampler: %d cameras are not sampled now", len(self._handover.leaving))
            return
        while self._handover.leaving:
            self._select_cameras(())
            self._announce()
            time.sleep(POLL_S)

    def _is_last_sampler(self) -> bool:
        group = self._topics.group("sample")
        try:
            with closing(self._broker.admin()) as admin:
                description = admin.describe_groups([group])[group]
        except (KafkaError, KeyError) as error:
            self._log.warning("The group of samplers could not be read: %r", error)
            return True  # without a broker a successor's first frame is not announced either
        return str(description.get("group_state")) in _IDLE_GROUP

    def _send(self, frame: Frame) -> None:
        try:
            partition = self._sites.partition(frame.camera)
        except KeyError:  # a new revision has just removed the camera
            metrics.DROPPED.labels("sample", frame.camera, "unknown").inc()
            return
        self._producer.send(jpeg.pack(frame), partition)

    def _has_successor(self, camera: str) -> bool:
        owner = self._registry.owner(camera)
        return owner is not None and owner.process != self._process and camera not in self._handover.tasks
