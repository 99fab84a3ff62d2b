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

    def want(self, of: Site, mine: set[str] | None = None) -> None:
        present = {camera.id for camera in of.cameras}
        self.handover.set_cameras(present if mine is None else mine, of.cameras, of.time_zone)

    def more(self, count: int = 3) -> None:
        """Waits for so many more frames."""
        have = len(self.frames)
        until(lambda: len(self.frames) >= have + count)

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
    one = Samplers()
    yield one
    one.handover.close()


def changed(of: Site, **fields: object) -> Site:
    return of.model_copy(update={"cameras": (of.cameras[0].model_copy(update=fields),)})


@pytest.fixture
def of() -> Site:
    return site({"gate": "rtsp://127.0.0.1/1"}, "127.0.0.1:9092")


def test_an_old_source_goes_on_until_the_new_one_shows_something(samplers: Samplers, of: Site) -> None:
    samplers.silent.add(OTHER_URL["url"])
    samplers.want(of)
    samplers.more()
    samplers.want(changed(of, **OTHER_URL))
    samplers.handover.update()
    samplers.more()
    assert not samplers.tasks[0].ended


@pytest.mark.parametrize("before", [(), (MASK,)], ids=["added", "changed"])
def test_a_source_whose_masks_are_no_longer_the_site_s_ends_at_once(
    samplers: Samplers, of: Site, before: tuple[object, ...]
) -> None:
    samplers.want(changed(of, masks=before))
    until(lambda: samplers.sources)
    samplers.want(changed(of, masks=(MASK, MASK)))
    samplers.tasks[0].join(5)
    assert samplers.tasks[0].ended  # though the masked one has shown nothing yet
    assert list(samplers.handover.tasks.values()) == [samplers.tasks[1]]


def test_what_waits_for_its_successor_ends_at_once_too_where_masks_are_added(samplers: Samplers, of: Site) -> None:
    samplers.silent.add(OTHER_URL["url"])
    samplers.want(of)
    samplers.more()
    samplers.want(changed(of, **OTHER_URL))  # the first goes on, since the second is silent
    samplers.want(changed(of, **OTHER_URL), mine=set())
    samplers.more()
    assert samplers.handover.leaving == ["gate"]
    samplers.want(changed(of, **OTHER_URL, masks=(MASK,)), mine=set())
    for task in samplers.tasks:
        task.join(5)
        assert task.ended
    assert samplers.handover.leaving == []


@pytest.mark.parametrize("mine", [{"gate"}, set()], ids=["ours", "leaving"])
def test_the_last_word_of_a_camera_that_the_site_has_no_more_is_that_it_has_ended(
    samplers: Samplers, of: Site, mine: set[str]
) -> None:
    samplers.want(of)
    samplers.more()
    samplers.want(of, mine)
    samplers.more()
    samplers.want(of.model_copy(update={"cameras": ()}))
    samplers.tasks[0].join(5)
    *_, before, last = samplers.frames
    assert [before.gap, last.gap] == [None, "ended"]
    assert (last.camera, last.epoch, last.slot, last.image) == ("gate", before.epoch, before.slot + 1, None)


def test_a_camera_that_never_gave_a_frame_has_no_last_word(samplers: Samplers, of: Site) -> None:
    samplers.silent.add(of.cameras[0].url)
    samplers.want(of)
    until(lambda: samplers.sources)
    samplers.want(of.model_copy(update={"cameras": ()}))
    samplers.tasks[0].join(5)
    assert samplers.frames == []
