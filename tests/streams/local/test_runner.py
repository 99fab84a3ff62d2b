"""Properties of every runner, in one process and over a real Kafka."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import msgspec
import pytest

from detectors.camera_state import CameraState
from detectors.correlation.correlator import Correlator, CorrelatorState
from detectors.watch_stage import WatchStage
from lanewatch.config.site import Site
from lanewatch.records import Detections, Event, Frame
from streams.local.runner import LocalRunner
from streams.stages import Detect, Sample, Serve, Watch
from tests.detectors.walker_records import along, detections
from tests.streams.doubles import CountingWatch, EndlessCamera, GatedDetector, ListCamera, ListServe
from tests.streams.kafka.in_process_runner import KafkaRunner
from tests.streams.kafka.loiterer_records import lanes

NAME = {"ko": "시험", "en": "test"}


class Runner(Protocol):
    """The interface of both runners."""

    errors: dict[str, Exception]

    @property
    def frames(self) -> int: ...

    def run(self) -> None: ...

    def stop(self) -> None: ...


class Make(Protocol):
    """Makes a runner."""

    def __call__(
        self,
        samplers: Sequence[Sample],
        detect: Detect,
        watch: Watch[int],
        serve: Serve,
        *,
        archive: Callable[[Detections], None] | None = None,
    ) -> Runner: ...


@pytest.fixture(params=["memory", "kafka"])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "memory":
        return LocalRunner
    address = request.getfixturevalue("broker")

    def over_kafka(
        samplers: Sequence[Sample],
        detect: Detect,
        watch: Watch[int],
        serve: Serve,
        *,
        archive: Callable[[Detections], None] | None = None,
    ) -> KafkaRunner[int]:
        site = site_with_topics(address, [sampler.camera for sampler in samplers] or ["nobody"])
        return KafkaRunner(samplers, detect, watch, serve, site=site, state_type=int, max_age_s=0.3, archive=archive)

    return over_kafka


def site_with_topics(address: str, cameras: Sequence[str]) -> Site:
    """A site whose topics are used by one test only."""
    where = {"url": "rtsp://127.0.0.1/1", "latitude": 36, "longitude": 127}
    return Site.model_validate(
        {
            "id": "test",
            "name": NAME,
            "kafka": {"brokers": [address], "prefix": f"r{uuid.uuid4().hex[:10]}", "partitions": 2},
            "cameras": [{"id": camera, "name": NAME, **where} for camera in cameras],
        }
    )


@contextmanager
def running(runner: Runner) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(60)
    assert not thread.is_alive()


def until(happened: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < limit, f"not within 30 s: {what}"
        time.sleep(0.01)


def test_recordings_lose_nothing_and_keep_their_order(make: Make) -> None:
    archived: list[Detections] = []
    serve = ListServe()
    cameras = [ListCamera(name, range(0, 100_000, 1000)) for name in ("a", "b", "c")]
    detector = GatedDetector()
    runner = make(cameras, detector, CountingWatch(), serve, archive=archived.append)
    runner.run()
    for name in "abc":
        assert [r.slot for r in archived if r.camera == name] == list(range(0, 100_000, 1000))
        assert [e.revision for e in serve.events if e.camera == name] == list(range(0, 100_000, 1000))
    assert (runner.frames, runner.errors) == (300, {})
    assert max(detector.batches) <= 24
    assert serve.reached == dict.fromkeys("abc", 99.0)
    assert serve.clocks == dict.fromkeys("abc", 0.5)


def test_a_live_camera_drops_the_oldest_frames_and_counts_them(make: Make) -> None:
    archived: list[Detections] = []
    camera, detector = EndlessCamera("a"), GatedDetector(opened=False)
    runner = make([camera], detector, CountingWatch(), ListServe(), archive=archived.append)
    with running(runner):
        until(lambda: len(camera.slots) > 60, "the camera continues while the detector is busy")
        detector.gate.set()
        waited = len(camera.slots)
        until(lambda: len(archived) >= waited + 20, "later frames are evaluated")
        runner.stop()
    assert [record.slot for record in archived] == camera.slots  # each dropped frame has a record
    gaps = [record.gap for record in archived]
    assert set(gaps) == {None, "shed"}
    assert gaps[:waited].count("shed") > waited / 4
    assert set(gaps[-10:]) == {None}


def test_a_failed_camera_does_not_affect_others(make: Make) -> None:
    cameras = [ListCamera("bad", range(3), breaks=True), ListCamera("good", range(50))]
    serve = ListServe()
    runner = make(cameras, GatedDetector(), CountingWatch(), serve)
    runner.run()
    assert list(runner.errors) == ["bad"]
    assert sum(e.camera == "good" for e in serve.events) == 50
    bad = [e.revision for e in serve.events if e.camera == "bad"]
    assert bad == [0, 1, 2, 3]  # its three frames, and the end record that expires open events


def test_a_record_on_which_the_watch_stage_fails_is_skipped(make: Make) -> None:
    serve = ListServe()
    runner = make([ListCamera("a", range(10))], GatedDetector(), CountingWatch(breaks_on=[4, 6, 9]), serve)
    runner.run()
    assert [e.revision for e in serve.events] == [0, 1, 2, 3, 5, 7, 8]
    assert str(runner.errors["a"]) == "a plug-in broke"


def test_an_unavailable_store_loses_no_event(make: Make) -> None:
    serve = ListServe(away=1)
    make([ListCamera("a", range(5))], GatedDetector(), CountingWatch(), serve).run()
    assert [e.revision for e in serve.events] == list(range(5))


def test_a_failed_detector_ends_the_run_with_its_error(make: Make) -> None:
    def broken(frames: Sequence[Frame]) -> list[Detections]:
        raise RuntimeError("no device")

    with pytest.raises(RuntimeError, match="no device"):
        make([ListCamera("a", range(1000))], broken, CountingWatch(), ListServe()).run()


def test_stop_ends_soon_and_all_sampled_frames_are_evaluated(make: Make) -> None:
    serve = ListServe()
    cameras = [EndlessCamera("a"), EndlessCamera("b")]
    runner = make(cameras, GatedDetector(), CountingWatch(), serve)
    with running(runner) as thread:
        until(lambda: len(serve.events) > 20, "events come")
        stopped_at = time.monotonic()
        runner.stop()
        thread.join(30)
        took_s = time.monotonic() - stopped_at
    scored: dict[str, list[int]] = {"a": [], "b": []}
    for event in serve.events:
        scored[event.camera].append(event.revision)
    assert {camera.camera: camera.slots for camera in cameras} == scored
    assert took_s < 10


def strolling(cameras: Sequence[str]) -> Iterator[Detections]:
    """A stay of 14 s at each camera, one after the other; the cameras are 100 m apart.

    It all lies within the minute for which the correlation waits for a camera: recordings are played as fast as they
    go, and over a broker on a busy machine one camera's may be over before another's begins.
    """
    for number, camera in enumerate(cameras):
        begin = 1.0 + 17 * number
        walk = along((begin, 500, 790), (begin + 4, 500, 500), (begin + 18, 500, 500), (begin + 22, 500, 790))
        for record in detections([walk], fps=2, seconds=58):
            yield msgspec.structs.replace(record, camera=camera)


def test_both_runners_give_identical_events(broker: str) -> None:
    """The same detections of a person who loiters at three cameras: ids, revisions, scores, sentences."""
    cameras = ("a", "b", "c")
    seen = {(record.camera, record.slot): record for record in strolling(cameras)}
    watched = lanes(cameras, apart_m=100)
    site = watched.model_copy(update={"kafka": site_with_topics(broker, cameras).kafka})

    def detect(frames: Sequence[Frame]) -> list[Detections]:
        return [seen[frame.camera, frame.slot] for frame in frames]

    def found(over_kafka: bool) -> list[Event]:
        serve = ListServe()
        samplers = [ListCamera(name, [slot for camera, slot in seen if camera == name]) for name in cameras]
        watch, correlate = WatchStage(watched, run="live"), Correlator(watched, run="live")
        if over_kafka:
            more = (correlate, CorrelatorState)
            KafkaRunner(
                samplers, detect, watch, serve, site=site, state_type=CameraState, correlate=more, batch=8
            ).run()
        else:
            LocalRunner(samplers, detect, watch, serve, correlate=correlate).run()
        return sorted(serve.events, key=lambda event: (event.kind, event.id, event.revision))

    memory, kafka = found(False), found(True)
    assert kafka == memory
    assert {event.kind for event in memory} == {"loitering", "roaming"}
    assert len({event.id for event in memory if event.kind == "loitering"}) == 3


def test_a_failed_correlation_skips_a_record_and_keeps_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    correlate = Correlator(lanes(["a"]), run="live")

    def broken(state: CorrelatorState, event: Event) -> tuple[CorrelatorState, list[Event]]:
        raise RuntimeError("a correlation broke")

    monkeypatch.setattr(correlate, "step", broken)
    serve = ListServe()
    LocalRunner([ListCamera("a", range(5))], GatedDetector(), CountingWatch(), serve, correlate=correlate).run()
    assert [event.revision for event in serve.events] == list(range(5))


def test_no_camera_at_all(make: Make) -> None:
    runner = make([], GatedDetector(), CountingWatch(), ListServe())
    runner.run()
    assert runner.frames == 0
