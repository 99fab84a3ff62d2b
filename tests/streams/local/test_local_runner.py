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


def test_a_recording_waits_while_the_detector_is_busy() -> None:
    camera, detector = ListCamera("a", range(100)), GatedDetector(opened=False)
    runner = LocalRunner([camera], detector, CountingWatch(), ListServe())
    thread = threading.Thread(target=runner.run)
    thread.start()
    assert not camera.given.wait(0.3)  # the queue is full long before the camera's last frame
    detector.gate.set()
    thread.join(60)
    assert runner.frames == 100


def test_a_full_disk_under_the_archive_stops_nothing() -> None:
    def full(_: Detections) -> None:
        raise OSError(28, "No space left on device")

    serve = ListServe()
    LocalRunner([ListCamera("a", range(5))], GatedDetector(), CountingWatch(), serve, archive=full).run()
    assert len(serve.events) == 5


def test_cameras_take_turns() -> None:
    frame_queue = FrameQueue()
    for slot in range(6):
        frame_queue.put(frame(slot, "busy"), live=True)
    frame_queue.put(frame(0, "quiet"), live=True)
    assert [frame.camera for frame in frame_queue.take(3, 0)] == ["busy", "quiet", "busy"]


def test_ticks_alone_are_bounded() -> None:
    frame_queue = FrameQueue(records=10)
    for slot in range(50):
        frame_queue.put(frame(slot, picture=False), live=True)
    assert [frame.slot for frame in frame_queue.take(100, 0)] == list(range(40, 50))
