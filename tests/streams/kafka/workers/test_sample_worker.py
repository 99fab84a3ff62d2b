from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from kafka import TopicPartition

from deploy.process_group import ProcessGroup
from lanewatch.config.site import Site
from lanewatch.records import Frame
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.ownership.sampler_registry import SamplerRegistry
from streams.kafka.state.site_topic import SiteTopic
from streams.kafka.workers.sample_worker import SampleWorker
from tests.streams.conftest import RtspServer
from tests.streams.kafka.site_factory import followed, site, until

FPS = 3.5
"""Every second picture of the clip's seven a second."""

CAMERAS = ("gate", "lane", "barn", "shop")


def clip_url(clip: Path, ago_s: float = 10.0, name: str = "") -> str:
    since = datetime.fromtimestamp(time.time() - ago_s, UTC).isoformat()
    return f"file://{clip}?loop=1&pace=live&fps=7&since={since}{name}"


class Node:
    """A sampler in this process, with a log of its own."""

    def __init__(self, configured: Site, name: str) -> None:
        broker, topics = Broker(configured, f"sample-{name}", {}), Topics(configured)
        self.log = SiteTopic(broker, topics)
        self.loop = SampleWorker(broker, topics, self.log, node=name)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.error: Exception | None = None

    def _run(self) -> None:
        try:
            with self.log:
                self.loop.run(self.stop)
        except Exception as error:  # noqa: BLE001 - asserted at the end
            self.error = error

    def end(self) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()
        assert self.error is None


@contextmanager
def running_node(configured: Site, name: str) -> Iterator[Node]:
    node = Node(configured, name)
    node.thread.start()
    try:
        yield node
    finally:
        node.end()


class FrameReader:
    """Reads the frames topic: records by camera in the topic's order, with their append times."""

    def __init__(self, configured: Site) -> None:
        self.frames: dict[str, list[tuple[Frame, float]]] = {}
        self._topics = Topics(configured)
        self._consumer = Broker(configured, "watched", {}).consumer()
        self._consumer.assign(
            [TopicPartition(self._topics.frames.name, partition) for partition in range(self._topics.partitions)]
        )

    def read(self) -> None:
        for records in self._consumer.poll(100).values():
            for record in records:
                frame = codec.decode_frame(record)
                small = msgspec.structs.replace(frame, packed=None)
                self.frames.setdefault(frame.camera, []).append((small, record.timestamp / 1000))

    def until(self, condition: object, timeout_s: float = 30.0) -> None:
        def satisfied() -> bool:
            self.read()
            assert callable(condition)
            return bool(condition())

        until(satisfied, timeout_s)

    def more(self, count: int, cameras: tuple[str, ...] = CAMERAS) -> None:
        """Waits for so many more records of each camera."""
        self.read()
        have = {camera: len(self.frames.get(camera, ())) for camera in cameras}
        self.until(lambda: all(len(self.frames.get(camera, ())) >= have[camera] + count for camera in cameras))

    def epochs(self, camera: str) -> list[int]:
        return sorted({frame.epoch for frame, _ in self.frames.get(camera, ())})

    def longest(self, camera: str) -> float:
        """Seconds between the capture of consecutive slots, at most; the topic may hold each of them twice."""
        slots = sorted({frame.slot for frame, _ in self.frames[camera]})
        return max((after - before) / 1000 for before, after in pairwise(slots))

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=500)


@contextmanager
def reading_frames(configured: Site) -> Iterator[FrameReader]:
    reader = FrameReader(configured)
    try:
        yield reader
    finally:
        reader.close()


INTERVAL_S = 1 / FPS + 0.002
"""Slots are whole milliseconds."""


def test_nodes_share_the_cameras_and_what_moves_moves_without_a_gap(broker: str, clip: Path) -> None:
    configured = site(dict.fromkeys(CAMERAS, clip_url(clip)), broker, fps=FPS)
    with followed(configured) as log, reading_frames(configured) as seen:
        log.publish(configured)
        with running_node(configured, "north") as north:
            seen.more(3)
            assert north.loop.cameras == sorted(CAMERAS)
            with running_node(configured, "south") as south:
                until(lambda: len(north.loop.cameras) == len(south.loop.cameras) == 2)
                assert sorted(north.loop.cameras + south.loop.cameras) == sorted(CAMERAS)
                moved = south.loop.cameras
                seen.until(lambda: all(len(seen.epochs(camera)) == 2 for camera in moved))
                until(lambda: not north.loop._handover.leaving)
                seen.more(2)
                stayed = north.loop.cameras
                with SamplerRegistry(Broker(configured, "drain", {}), Topics(configured)) as holders:
                    holders.read()
                    holders.request_leave("north")  # what `lanewatch drain` does
                    north.thread.join(20)
                    assert not north.thread.is_alive()
                    until(lambda: all((owner := holders.owner(camera)) and owner.node == "south" for camera in CAMERAS))
                seen.more(2)
                assert all(len(seen.epochs(camera)) == 2 for camera in stayed)  # each has changed hands once
                assert south.loop.cameras == sorted(CAMERAS)
        for camera in CAMERAS:
            assert seen.longest(camera) <= INTERVAL_S
            assert {frame.gap for frame, _ in seen.frames[camera]} == {None}


def test_a_revision_changes_adds_and_removes_cameras_without_a_gap(broker: str, clip: Path) -> None:
    url = clip_url(clip)
    configured = site({"gate": url, "lane": url}, broker, partitions=2, fps=FPS)
    with followed(configured) as log, reading_frames(configured) as seen, running_node(configured, "north") as north:
        log.publish(configured)
        seen.more(3, ("gate", "lane"))
        log.change_url("gate", url + "&loop=1")  # the same pictures by another URL
        seen.until(lambda: len(seen.epochs("gate")) == 2)
        seen.more(3, ("gate", "lane"))
        gate, _ = log.revisions.latest.cameras
        log.publish(configured.model_copy(update={"cameras": (gate, gate.model_copy(update={"id": "barn"}))}))
        seen.more(3, ("barn",))
        assert north.loop.cameras == ["barn", "gate"]
        seen.read()
        lane = len(seen.frames["lane"])
        seen.more(4, ("barn", "gate"))
        assert len(seen.frames["lane"]) == lane
        assert [frame.gap for frame, _ in seen.frames["lane"]][-2:] == [None, "ended"]  # what is open there expires
        assert len(seen.epochs("gate")) == 2  # what did not change was left alone
        assert seen.longest("gate") <= INTERVAL_S


def test_a_camera_that_cannot_be_sampled_leaves_the_others_alone_and_begins_again(
    broker: str, clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    late = tmp_path / "late.mp4"
    configured = site(
        {"gate": clip_url(clip), "lane": clip_url(late), "barn": "rtsp://${LANEWATCH_NOBODY}@h/1"}, broker, fps=FPS
    )
    with followed(configured) as log, reading_frames(configured) as seen, running_node(configured, "north"):
        log.publish(configured)
        seen.more(3, ("gate",))
        until(lambda: "environment variable 'LANEWATCH_NOBODY' is not set" in caplog.text)
        until(lambda: "camera lane restarts" in caplog.text)
        late.symlink_to(clip)
        seen.more(3, ("gate", "lane"))
        assert "barn" not in seen.frames


def test_a_network_camera_that_hangs_up_is_reported_and_sampled_again(broker: str, rtsp: RtspServer) -> None:
    configured = site({"gate": rtsp.url}, broker, partitions=2, fps=FPS)
    with followed(configured) as log, reading_frames(configured) as seen, running_node(configured, "north"):
        log.publish(configured)
        seen.more(3, ("gate",))
        assert {frame.gap for frame, _ in seen.frames["gate"]} == {None}
        frame, appended_at = seen.frames["gate"][-1]
        assert abs(appended_at - frame.captured_at) < 2.0  # a camera without a clock of its own: when it came
        rtsp.kill()
        seen.until(lambda: seen.frames["gate"][-1][0].gap == "lost")
        rtsp.start()
        seen.until(lambda: seen.frames["gate"][-1][0].gap is None)
        assert len(seen.epochs("gate")) == 2


@contextmanager
def processes(configured: Site, folder: Path) -> Iterator[tuple[ProcessGroup, SamplerRegistry, FrameReader, str]]:
    """Samplers north and south as processes that share the cameras."""
    path = str(write_site_file(configured, folder))
    with ProcessGroup(folder) as fleet, reading_frames(configured) as seen, followed(configured):
        for name in ("north", "south"):
            fleet.start(name, "sample", path, "--node", name)
        with SamplerRegistry(Broker(configured, "test", {}), Topics(configured)) as holders:
            until(
                lambda: cameras_of(holders, "north") and cameras_of(holders, "south") and len(holders.owners) == 4, 45
            )
            seen.more(2)
            yield fleet, holders, seen, path
        for process in fleet.processes.values():
            process.end()
        assert fleet["south"].wait() == 0


def cameras_of(holders: SamplerRegistry, name: str) -> list[str]:
    return sorted(camera for camera, owner in holders.owners.items() if owner.node == name)


@pytest.mark.slow
def test_processes_hand_over_without_a_gap_when_drained_and_when_stopped(
    broker: str, clip: Path, tmp_path: Path
) -> None:
    configured = site(dict.fromkeys(CAMERAS, clip_url(clip)), broker, fps=FPS)
    with processes(configured, tmp_path) as (fleet, holders, seen, path):
        drain = fleet.start("drain", "drain", path, "north")
        assert fleet["north"].wait() == 0
        assert drain.wait() == 0, drain.log.read_text()
        assert "2 of 2 cameras of north are sampled by others" in drain.log.read_text()
        assert cameras_of(holders, "south") == sorted(CAMERAS)
        fleet.start("east", "sample", path, "--node", "east")
        until(lambda: len(cameras_of(holders, "east")) == 2)
        seen.more(2)
        fleet["east"].end()
        assert fleet["east"].wait() == 0
        until(lambda: cameras_of(holders, "south") == sorted(CAMERAS))
        seen.more(2)
        longest = {camera: seen.longest(camera) for camera in CAMERAS}
        assert max(longest.values()) <= INTERVAL_S, longest
        for camera in CAMERAS:
            assert {frame.gap for frame, _ in seen.frames[camera]} == {None}
            slots = sorted({frame.slot for frame, _ in seen.frames[camera]})
            assert min(after - before for before, after in pairwise(slots)) >= 285  # what both sampled is one slot


@pytest.mark.slow
def test_a_killed_node_s_cameras_are_sampled_again_within_15_s(broker: str, clip: Path, tmp_path: Path) -> None:
    configured = site(dict.fromkeys(CAMERAS, clip_url(clip)), broker, fps=FPS)
    with processes(configured, tmp_path) as (fleet, holders, seen, _):
        north_cameras = cameras_of(holders, "north")
        fleet["north"].kill()
        killed = time.time()
        until(lambda: cameras_of(holders, "south") == sorted(CAMERAS))
        took = max(owner.announced_at - killed for camera in north_cameras if (owner := holders.owner(camera)))
        logging.getLogger("lanewatch.sample").warning("sampled again after %.1f s", took)
        assert took < 15.0
        seen.more(2)


def test_a_camera_is_moved_after_a_comparison_and_back(broker: str, clip: Path, tmp_path: Path) -> None:
    url = clip_url(clip)
    configured = site({"gate": url}, broker, partitions=2, fps=FPS)
    path = str(write_site_file(configured, tmp_path))
    other = url + "&fps=7"  # the same pictures by another URL
    with ProcessGroup(tmp_path) as fleet, followed(configured) as log:
        log.publish(configured)
        moved = fleet.start("moved", "migrate", path, "gate", other, "--for", "4", "--yes")
        stopped = fleet.start("refused", "migrate", path, "gate", f"file://{tmp_path}/none.mp4", "--for", "4", "--yes")
        assert moved.wait(60) == 0, moved.log.read_text()
        assert stopped.wait(60) == 1
        assert "yes: the new source may take over" in moved.log.read_text()
        assert "no: the new source cannot be played" in stopped.log.read_text()
        until(lambda: log.revisions.latest.camera("gate").url == other)
        back = fleet.start("back", "migrate", path, "gate", "--roll-back")
        assert back.wait(60) == 0, back.log.read_text()
        until(lambda: log.revisions.latest.camera("gate").url == url)
        assert log.previous_url("gate") == other


def write_site_file(configured: Site, folder: Path) -> Path:
    path = folder / "site.yaml"
    path.write_bytes(msgspec.json.encode(configured.model_dump(mode="json", exclude_defaults=True)))  # JSON is YAML
    return path
