"""A clip in a loop raises the same events live over RTSP, from a file, from the archive, in memory and over Kafka."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import pytest

from detectors.camera_state import CameraState
from detectors.detect_stage import DetectStage
from detectors.pipeline import EventCollector, load_detector, play, rescore
from detectors.watch_stage import WatchStage
from lanewatch.config.loader import load
from lanewatch.config.site import Site
from lanewatch.records import Event, Frame
from models.detection.base import ObjectDetector
from streams.archive.detections_archive import DetectionsArchive, read
from streams.local.runner import LocalRunner
from streams.sampling.sampler import Sampler
from streams.sources.network_camera import NetworkCamera
from streams.sources.packets import Packet, SourceEvent
from streams.sources.url import SourceUrl
from streams.video import jpeg
from tests.streams.conftest import RtspServer, write_access_units
from tests.streams.kafka.in_process_runner import KafkaRunner
from tests.streams.local.test_runner import site_with_topics

DEMO = Path(__file__).parents[2] / "lanewatch" / "demo" / "site.yaml"
FPS = 7
FIRST, COUNT = 28, 56
"""Pictures of the bundled clip: 8 s in which two men stand at the lamp post. The first one is a key frame."""
SENT = 2 * COUNT + COUNT // 2
"""Pictures that the camera gives: two and a half loops, 20 s."""


@dataclass
class RecordedCamera:
    """A network camera whose packets are recorded, with capture times in whole milliseconds."""

    url: str
    items: list[Packet | SourceEvent] = field(default_factory=list)

    def packets(self, stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        for item in NetworkCamera("lane-01", SourceUrl.parse(self.url)).packets(stop):
            if len(self.items) == SENT:
                return
            if isinstance(item, Packet):
                times = {name: round(getattr(item, name), 3) for name in ("captured_at", "decode_at")}
                item = msgspec.structs.replace(item, **times)  # a container can hold them
            self.items.append(item)
            yield item


class Replay:
    """The items that a camera gave, again."""

    def __init__(self, items: list[Packet | SourceEvent]) -> None:
        self._items = items

    def packets(self, stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        yield from self._items


class Whole:
    """A live sampler whose frames wait for a busy machine's detector: none is shed."""

    live = False

    def __init__(self, sampler: Sampler) -> None:
        self.camera = sampler.camera
        self.close = sampler.close
        self._sampler = sampler

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._sampler)


class Coded(Whole):
    """A sampler whose pictures are coded for the broker, and decoded."""

    def __iter__(self) -> Iterator[Frame]:
        return (jpeg.unpack(jpeg.pack(frame)) for frame in self._sampler)


def write_recording(packets: list[Packet], path: Path) -> str:
    """The packets in a container as they came; returns the URL with the first one's capture time."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("h264", rate=FPS)
        stream.width, stream.height = packets[0].codec.width, packets[0].codec.height
        stream.codec_context.extradata = packets[0].codec.extradata
        stream.time_base = Fraction(1, 1000)
        for packet in packets:
            muxed = av.Packet(packet.data)
            muxed.stream, muxed.time_base, muxed.is_keyframe = stream, Fraction(1, 1000), packet.key
            muxed.pts = muxed.dts = round((packet.captured_at - packets[0].captured_at) * 1000)
            out.mux(muxed)
    clock = datetime.fromtimestamp(packets[0].captured_at, UTC).isoformat(timespec="milliseconds")
    return f"file:{path}?clock={clock}"


def revisions(events: list[Event]) -> list[tuple[str, str, int, str]]:
    """What identifies the revisions. A file's end expires what a camera would go on with."""
    events = [event for event in events if event.state != "expired"]
    return sorted((event.kind, event.id, event.revision, event.state) for event in events)


@pytest.fixture(scope="module")
def detector() -> ObjectDetector:
    return load_detector(load(DEMO))


@pytest.fixture(scope="module")
def site() -> Site:
    """The demo's site, with a dwell that the loop reaches."""
    demo = load(DEMO)
    rule = {"zones": ["junction"], "thresholds": {"dwell_s": 3.0}}
    content = demo.model_dump(mode="json") | {"behaviours": {"loitering": {"rules": [rule]}}}
    return Site.model_validate(content)


@dataclass
class LiveRun:
    items: list[Packet | SourceEvent]
    archive: Path
    events: list[Event]

    @property
    def packets(self) -> list[Packet]:
        return [item for item in self.items if isinstance(item, Packet)]


@pytest.fixture(scope="module")
def live(site: Site, detector: ObjectDetector, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> LiveRun:
    """The site watches a real RTSP camera that shows the loop."""
    folder = tmp_path_factory.mktemp("looped")
    units = folder / "units"
    units.mkdir()
    server = RtspServer(write_access_units(units, clip, FIRST, COUNT), fps=FPS)
    server.start()
    try:
        camera = RecordedCamera(server.url)
        sampler = Sampler(site.cameras[0], source=camera, live=True)
        events = EventCollector()
        with DetectionsArchive(folder / "archive") as archive:
            run = LocalRunner(
                [Whole(sampler)], DetectStage(detector), WatchStage(site, run="live"), events, archive=archive.append
            )
            run.run()
    finally:
        server.kill()
    assert not run.errors
    return LiveRun(camera.items, folder / "archive", events.revisions)


def test_a_clip_in_a_loop_raises_events_and_all_pictures_are_watched(live: LiveRun) -> None:
    watched = [record for record in read(live.archive) if record.gap is None]
    assert len(live.packets) == SENT
    assert SENT - 3 <= len(watched) <= SENT  # until the clock has settled, two pictures may have one slot
    assert {event.kind for event in live.events} >= {"loitering"}
    assert "fight" not in {event.kind for event in live.events}


def test_the_archive_of_a_live_camera_raises_the_same_events(live: LiveRun, site: Site) -> None:
    assert list(rescore(read(live.archive), site, run="live")) == live.events


def test_a_file_of_the_same_pictures_raises_the_same_events(
    live: LiveRun, site: Site, detector: ObjectDetector, tmp_path: Path
) -> None:
    url = write_recording(live.packets, tmp_path / "loop.mp4")
    camera = site.cameras[0].model_copy(update={"url": url})
    events = play(site.model_copy(update={"cameras": (camera,)}), run="live", network=detector)
    assert revisions(events) == revisions(live.events)


def test_the_same_pictures_over_kafka_raise_the_same_events(
    live: LiveRun, site: Site, detector: ObjectDetector, broker: str
) -> None:
    """Over Kafka pictures are JPEG, so that some boxes differ by a pixel. In memory they are coded here as well."""
    memory, over_kafka = EventCollector(), EventCollector()
    detect, watch = DetectStage(detector), WatchStage(site, run="live")
    with_topics = site.model_copy(update={"kafka": site_with_topics(broker, [site.cameras[0].id]).kafka})
    LocalRunner([Coded(replayed(live, site))], detect, watch, memory).run()
    KafkaRunner([replayed(live, site)], detect, watch, over_kafka, site=with_topics, state_type=CameraState).run()
    assert revisions(over_kafka.revisions) == revisions(memory.revisions)
    assert {event.kind for event in over_kafka.revisions} == {event.kind for event in live.events}


def replayed(live: LiveRun, site: Site) -> Sampler:
    return Sampler(site.cameras[0], source=Replay(live.items), live=False)
