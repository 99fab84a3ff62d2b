from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from lanewatch.config.site import Camera, Site
from lanewatch.records import Frame
from streams.kafka.ownership.camera_task import CameraTask
from streams.kafka.ownership.handover import Handover
from tests.streams.doubles import EndlessCamera
from tests.streams.kafka.site_factory import site, until

MASK = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0))
OTHER_URL = {"url": "rtsp://127.0.0.1/2"}


class Samplers:
    """A node whose cameras give frames for ever; those with ``silent`` URLs never give one."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.sources: list[EndlessCamera] = []
        self.tasks: list[CameraTask] = []
        self.silent: set[str] = set()
        self.handover = Handover(self._begin, lambda _: False, overlap_s=math.inf)

    def want(self, present: Site, owned: set[str] | None = None) -> None:
        cameras = {camera.id for camera in present.cameras}
        self.handover.set_cameras(cameras if owned is None else owned, present.cameras, present.time_zone)

    def more(self, count: int = 3) -> None:
        """Waits for this many more frames."""
        before = len(self.frames)
        until(lambda: len(self.frames) >= before + count)

    def _begin(self, camera: Camera, time_zone: str) -> CameraTask:
        task = CameraTask(camera, time_zone, self.frames.append, make=self._make)  # type: ignore[arg-type]
        self.tasks.append(task)
        return task

    def _make(self, camera: Camera, time_zone: str) -> EndlessCamera:
        source = Silent(camera.id) if camera.url in self.silent or camera.masks else EndlessCamera(camera.id)
        self.sources.append(source)
        return source


class Silent(EndlessCamera):
    """Connects, and gives no frame."""

    def __iter__(self) -> Iterator[Frame]:
        self._closed.wait()
        yield from ()


@pytest.fixture
def samplers() -> Iterator[Samplers]:
    samplers = Samplers()
    yield samplers
    samplers.handover.close()


def changed(present: Site, **fields: object) -> Site:
    return present.model_copy(update={"cameras": (present.cameras[0].model_copy(update=fields),)})


@pytest.fixture
def present() -> Site:
    return site({"gate": "rtsp://127.0.0.1/1"}, "127.0.0.1:9092")


def test_the_old_source_continues_until_the_new_ones_first_frame(samplers: Samplers, present: Site) -> None:
    samplers.silent.add(OTHER_URL["url"])
    samplers.want(present)
    samplers.more()
    samplers.want(changed(present, **OTHER_URL))
    samplers.handover.update()
    samplers.more()
    assert not samplers.tasks[0].ended


@pytest.mark.parametrize("before", [(), (MASK,)], ids=["added", "changed"])
def test_a_source_with_outdated_masks_stops_at_once(
    samplers: Samplers, present: Site, before: tuple[object, ...]
) -> None:
    samplers.want(changed(present, masks=before))
    until(lambda: samplers.sources)
    samplers.want(changed(present, masks=(MASK, MASK)))
    samplers.tasks[0].join(5)
    assert samplers.tasks[0].ended  # before the masked source's first frame
    assert list(samplers.handover.tasks.values()) == [samplers.tasks[1]]


def test_a_leaving_camera_stops_at_once_when_masks_are_added(samplers: Samplers, present: Site) -> None:
    samplers.silent.add(OTHER_URL["url"])
    samplers.want(present)
    samplers.more()
    samplers.want(changed(present, **OTHER_URL))  # the first continues, because the second is silent
    samplers.want(changed(present, **OTHER_URL), owned=set())
    samplers.more()
    assert samplers.handover.leaving == ["gate"]
    samplers.want(changed(present, **OTHER_URL, masks=(MASK,)), owned=set())
    for task in samplers.tasks:
        task.join(5)
        assert task.ended
    assert samplers.handover.leaving == []


@pytest.mark.parametrize("owned", [{"gate"}, set()], ids=["ours", "leaving"])
def test_the_last_record_of_a_removed_camera_has_the_gap_ended(
    samplers: Samplers, present: Site, owned: set[str]
) -> None:
    samplers.want(present)
    samplers.more()
    samplers.want(present, owned)
    samplers.more()
    samplers.want(present.model_copy(update={"cameras": ()}))
    samplers.tasks[0].join(5)
    *_, before, last = samplers.frames
    assert [before.gap, last.gap] == [None, "ended"]
    assert (last.camera, last.epoch, last.slot, last.image) == ("gate", before.epoch, before.slot + 1, None)


def test_a_removed_camera_without_a_frame_sends_nothing(samplers: Samplers, present: Site) -> None:
    samplers.silent.add(present.cameras[0].url)
    samplers.want(present)
    until(lambda: samplers.sources)
    samplers.want(present.model_copy(update={"cameras": ()}))
    samplers.tasks[0].join(5)
    assert samplers.frames == []
