from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from lanewatch.records import Detections, Event, Factor, Frame, Peak, Reached
from streams.backlog import Backlog
from streams.memory import MemoryRunner
from streams.stage import UnavailableError


def frame(slot: int, camera: str = "lane", *, picture: bool = True) -> Frame:
    image = np.zeros((4, 4, 3), np.uint8) if picture else None
    return Frame(
        camera=camera,
        epoch=1,
        slot=slot,
        captured_at=slot / 1000,
        received_at=0,
        width=4,
        height=4,
        image=image,
        gap=None if picture else "idle",
    )


class ListCamera:
    """Gives the frames of a list; breaks at the end where it is told to."""

    def __init__(self, camera: str, slots: Sequence[int], *, live: bool = False, breaks: bool = False) -> None:
        self.camera = camera
        self.live = live
        self._slots = slots
        self._breaks = breaks
        self.given = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for slot in self._slots:
            yield frame(slot, self.camera)
        self.given.set()
        if self._breaks:
            raise ConnectionError(f"{self.camera} hung up")

    def close(self) -> None:
        self.given.set()


class GatedDetector:
    """Finds nothing, and only once its gate has been opened."""

    def __init__(self, *, opened: bool = True) -> None:
        self.gate = threading.Event()
        if opened:
            self.gate.set()
        self.batches: list[int] = []

    def __call__(self, frames: Sequence[Frame]) -> list[Detections]:
        assert self.gate.wait(30)
        self.batches.append(len(frames))
        return [Detections.empty(one) for one in frames]


class CountingWatch:
    """A fold that counts, and raises an event each time; breaks on the slots that it is told."""

    def __init__(self, breaks_on: Sequence[int] = ()) -> None:
        self._breaks_on = breaks_on

    def start(self, camera: str) -> int:
        return 0

    def step(self, state: int, detections: Detections) -> tuple[int, list[Event]]:
        if detections.slot in self._breaks_on:
            raise ValueError("a plug-in broke")
        return state + 1, [event(detections, state)]


def event(detections: Detections, number: int) -> Event:
    return Event(
        run="test",
        id=f"{detections.camera}-{number}",
        camera=detections.camera,
        kind="loitering",
        zone="z",
        began_at=0,
        started_at=0,
        updated_at=0,
        ended_at=None,
        revision=detections.slot,
        state="open",
        severity=1,
        score=0.5,
        factors=(Factor("dwell", 0.5),),
        thresholds={},
        sentence={},
        tracks=(),
        peak=Peak(0, 0, (0, 0, 1, 1), 4, 4),
        model="",
        site="",
    )


class ListServe:
    """Keeps what it is given; is away for the first ``away`` calls."""

    def __init__(self, away: int = 0) -> None:
        self.events: list[Event] = []
        self.reached: dict[str, float] = {}
        self._away = away

    def upsert(self, event: Event) -> None:
        if self._away > 0:
            self._away -= 1
            raise UnavailableError("the disk is full")
        self.events.append(event)

    def advance(self, camera: str, reached: Reached) -> None:
        self.reached[camera] = reached.captured_at


def test_recordings_lose_nothing_and_keep_their_order() -> None:
    kept: list[Detections] = []
    serve = ListServe()
    cameras = [ListCamera(name, range(0, 100_000, 1000)) for name in ("a", "b", "c")]
    detector = GatedDetector()
    runner = MemoryRunner(cameras, detector, CountingWatch(), serve, keep=kept.append)
    runner.run()
    for name in "abc":
        assert [r.slot for r in kept if r.camera == name] == list(range(0, 100_000, 1000))
        assert [e.revision for e in serve.events if e.camera == name] == list(range(0, 100_000, 1000))
    assert (runner.frames, runner.errors) == (300, {})
    assert max(detector.batches) <= 24
    assert serve.reached == dict.fromkeys("abc", 99.0)


def test_a_recording_waits_while_the_detector_is_busy() -> None:
    camera, detector = ListCamera("a", range(100)), GatedDetector(opened=False)
    runner = MemoryRunner([camera], detector, CountingWatch(), ListServe())
    thread = threading.Thread(target=runner.run)
    thread.start()
    assert not camera.given.wait(0.3)  # the queue is full long before the camera's last frame
    detector.gate.set()
    thread.join(30)
    assert runner.frames == 100


def test_a_live_camera_gives_way_to_the_newest_and_says_what_was_shed() -> None:
    kept: list[Detections] = []
    camera, detector = ListCamera("a", range(100), live=True), GatedDetector(opened=False)
    runner = MemoryRunner([camera], detector, CountingWatch(), ListServe(), keep=kept.append)
    thread = threading.Thread(target=runner.run)
    thread.start()
    assert camera.given.wait(30)  # never blocked
    detector.gate.set()
    thread.join(30)
    assert [r.slot for r in kept] == list(range(100))  # none is silently gone
    seen = [r.slot for r in kept if r.gap is None]
    assert seen[-8:] == list(range(92, 100))
    assert len(seen) <= 8 + 8
    assert {r.gap for r in kept} == {None, "shed"}


def test_a_camera_that_breaks_ends_alone() -> None:
    cameras = [ListCamera("bad", range(3), breaks=True), ListCamera("good", range(50))]
    serve = ListServe()
    runner = MemoryRunner(cameras, GatedDetector(), CountingWatch(), serve)
    runner.run()
    assert list(runner.errors) == ["bad"]
    assert sum(e.camera == "good" for e in serve.events) == 50
    bad = [e.revision for e in serve.events if e.camera == "bad"]
    assert bad == [0, 1, 2, 3]  # its three frames, and the end that lets what is open there expire


def test_a_record_that_breaks_the_fold_is_skipped_alone() -> None:
    serve = ListServe()
    runner = MemoryRunner([ListCamera("a", range(10))], GatedDetector(), CountingWatch(breaks_on=[4, 6]), serve)
    runner.run()
    assert [e.revision for e in serve.events] == [0, 1, 2, 3, 5, 7, 8, 9]
    assert str(runner.errors["a"]) == "a plug-in broke"


def test_a_store_that_is_away_loses_no_event() -> None:
    serve = ListServe(away=1)
    MemoryRunner([ListCamera("a", range(5))], GatedDetector(), CountingWatch(), serve).run()
    assert [e.revision for e in serve.events] == list(range(5))


def test_what_breaks_the_detector_ends_the_run_and_is_told() -> None:
    def broken(frames: Sequence[Frame]) -> list[Detections]:
        raise RuntimeError("no device")

    with pytest.raises(RuntimeError, match="no device"):
        MemoryRunner([ListCamera("a", range(1000))], broken, CountingWatch(), ListServe()).run()


def test_a_full_disk_under_the_archive_stops_nothing() -> None:
    def full(_: Detections) -> None:
        raise OSError(28, "No space left on device")

    serve = ListServe()
    MemoryRunner([ListCamera("a", range(5))], GatedDetector(), CountingWatch(), serve, keep=full).run()
    assert len(serve.events) == 5


def test_cameras_take_turns() -> None:
    backlog = Backlog()
    for slot in range(6):
        backlog.put(frame(slot, "busy"), live=True)
    backlog.put(frame(0, "quiet"), live=True)
    assert [one.camera for one in backlog.take(3, 0)] == ["busy", "quiet", "busy"]


def test_ticks_alone_are_bounded() -> None:
    backlog = Backlog(records=10)
    for slot in range(50):
        backlog.put(frame(slot, picture=False), live=True)
    assert [one.slot for one in backlog.take(100, 0)] == list(range(40, 50))
