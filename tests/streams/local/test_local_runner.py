"""Properties of the local runner only; ``test_runner.py`` has those of all runners."""

from __future__ import annotations

import threading

from lanewatch.records import Detections
from streams.frame_queue import FrameQueue
from streams.local.runner import LocalRunner
from tests.streams.doubles import CountingWatch, GatedDetector, ListCamera, ListServe, frame


def test_a_live_camera_drops_the_oldest_frames_and_counts_them() -> None:
    archived: list[Detections] = []
    camera, detector = ListCamera("a", range(100), live=True), GatedDetector(opened=False)
    runner = LocalRunner([camera], detector, CountingWatch(), ListServe(), archive=archived.append)
    thread = threading.Thread(target=runner.run)
    thread.start()
    assert camera.given.wait(30)  # not blocked
    detector.gate.set()
    thread.join(30)
    assert [r.slot for r in archived] == list(range(100))  # each dropped frame has a record
    seen = [r.slot for r in archived if r.gap is None]
    assert seen[-8:] == list(range(92, 100))
    assert len(seen) <= 8 + 8
    assert {r.gap for r in archived} == {None, "shed"}


def test_cameras_take_turns() -> None:
    backlog = FrameQueue()
    for slot in range(6):
        backlog.put(frame(slot, "busy"), live=True)
    backlog.put(frame(0, "quiet"), live=True)
    assert [one.camera for one in backlog.take(3, 0)] == ["busy", "quiet", "busy"]


def test_ticks_alone_are_bounded() -> None:
    backlog = FrameQueue(records=10)
    for slot in range(50):
        backlog.put(frame(slot, picture=False), live=True)
    assert [one.slot for one in backlog.take(100, 0)] == list(range(40, 50))
