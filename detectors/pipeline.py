"""The stages joined in one process, and the same watch stage over archived detections."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from detectors.camera_state import CameraState
from detectors.correlation.correlator import Correlator
from detectors.detect_stage import DetectStage
from detectors.watch_stage import WatchStage
from lanewatch.config.site import Site
from lanewatch.progress import Progress
from lanewatch.records import Detections, Event, Watermark
from models.detection import registry as detector_registry
from models.detection.base import ObjectDetector
from models.pose import registry as pose_registry
from models.tracking.tracker import warm
from streams.archive.detections_archive import DetectionsArchive
from streams.local.correlation import correlate_events
from streams.local.runner import LocalRunner
from streams.sampling.sampler import make_sampler
from streams.sources.container import recording_length_s
from streams.sources.url import SourceUrl
from streams.stages import Serve
from streams.video.packet_buffer import PacketBuffer


class EventCollector:
    """Collects every revision of every event in a list, in order."""

    def __init__(self) -> None:
        self.revisions: list[Event] = []

    def upsert(self, event: Event) -> None:
        """Appends a revision."""
        self.revisions.append(event)

    def advance(self, camera: str, reached: Watermark) -> None:
        """Does nothing: a list needs no clock."""


def latest_revisions(revisions: Iterable[Event]) -> list[Event]:
    """The last revision of each event, in the order of their opening."""
    return list({event.id: event for event in revisions}.values())


def load_detector(site: Site) -> ObjectDetector:
    """The detector that the site names. Raises ``ModelMissingError`` if it is missing."""
    return detector_registry.load(site.detector.name, site.detector.device, site.detector.score)


def runner(
    site: Site,
    serve: Serve,
    *,
    run: str,
    ring: PacketBuffer | None = None,
    keep: Callable[[Detections], None] | None = None,
    network: ObjectDetector | None = None,
    ongoing: Sequence[Event] = (),
) -> LocalRunner[CameraState]:
    """A whole site in one process, ready to ``run()``.

    Args:
        site: The site.
        serve: Receives the events.
        run: The name of this scoring; no run overwrites another.
        ring: Holds each camera's last packets, for evidence.
        keep: Called with every ``Detections``, such as an archive's ``append``.
        network: The object detector; the site's if None.
        ongoing: Events of a former process that go on, see ``detectors.ongoing_faults``.
    """
    samplers = [make_sampler(camera, site, ring) for camera in site.cameras]
    watch = WatchStage(site, run=run, ongoing=ongoing)
    warm()
    pose = pose_registry.load(site.detector.pose, site.detector.device)
    detect = DetectStage(network or load_detector(site), pose)
    return LocalRunner(
        samplers, detect, watch, serve, correlate=Correlator(site, run=run, ongoing=ongoing), archive=keep
    )


def rescore(records: Iterable[Detections], site: Site, *, run: str = "rescore") -> Iterator[Event]:
    """Scores archived detections: every revision of every event.

    The result is identical to the first scoring if site and run are equal. Each camera's records must come in their
    original order; cameras may be interleaved. Correlated events come last.
    """
    watch = WatchStage(site, run=run)
    states: dict[str, CameraState] = {}
    known = {camera.id for camera in site.cameras}
    revisions: list[Event] = []
    for record in records:
        if record.camera not in known:
            raise KeyError(f"detections of camera {record.camera!r}, which site {site.id} does not have")
        state = states.get(record.camera) or watch.start(record.camera)
        states[record.camera], events = watch.step(state, record)
        yield from events
        revisions += events
    yield from correlate_events(Correlator(site, run=run), revisions, known)


def score(
    site: Site,
    *,
    run: str = "rescore",
    keep: Path | None = None,
    network: ObjectDetector | None = None,
    collector: EventCollector | None = None,
    quiet: bool = True,
) -> list[Event]:
    """Every revision of every event in a site's recordings, played once at full speed.

    Args:
        site: The site.
        run: The name of this scoring.
        keep: A folder for the archive of detections, so that the next scoring needs no video.
        network: The object detector; the site's if None.
        collector: Gets the events, and has them also after an interrupt.
        quiet: Without progress on stderr.

    Raises:
        ValueError: the site has a live camera, or a recording has no picture.
        Exception: a recording could not be played.
    """
    if keep is None:
        return play(site, run=run, network=network, collector=collector, quiet=quiet)
    with DetectionsArchive(keep) as archive:
        return play(site, run=run, keep=archive.append, network=network, collector=collector, quiet=quiet)


def play(
    site: Site,
    *,
    run: str,
    keep: Callable[[Detections], None] | None = None,
    network: ObjectDetector | None = None,
    collector: EventCollector | None = None,
    quiet: bool = True,
) -> list[Event]:
    """As ``score``; ``keep`` and ``network`` as for ``runner``."""
    collector = collector or EventCollector()
    recordings = as_recordings(site)
    local_runner = runner(recordings, collector, run=run, keep=keep, network=network)
    with playing_progress(recordings, quiet=quiet) as local_runner.progress:
        local_runner.run()
    for error in local_runner.errors.values():
        raise error
    if local_runner.frames == 0:
        raise ValueError(f"the recordings of {', '.join(camera.id for camera in site.cameras)} have no picture")
    return collector.revisions


def playing_progress(recordings: Site, *, quiet: bool) -> Progress:
    """The progress of a site's recordings, in seconds of footage."""
    zone = recordings.time_zone
    urls = [SourceUrl.parse(camera.url, time_zone=camera.time_zone or zone) for camera in recordings.cameras]
    lengths = [recording_length_s(url) for url in urls]
    total = None if None in lengths else math.fsum(length for length in lengths if length is not None)
    names = [camera.id for camera in recordings.cameras]
    return Progress(
        f"playing {names[0] if len(names) == 1 else f'{len(names)} recordings'}", total, unit="s", quiet=quiet
    )


def as_recordings(site: Site) -> Site:
    """The same site with its recordings played once at full speed.

    Raises:
        ValueError: it has a network camera, which never ends.
    """
    cameras = []
    for camera in site.cameras:
        address = SourceUrl.parse(camera.url, time_zone=camera.time_zone or site.time_zone)
        if address.kind not in {"file", "folder"}:
            raise ValueError(f"camera {camera.id} is live and never ends; only recordings can be played once")
        cameras.append(camera.model_copy(update={"url": with_options(camera.url, loop="0", pace="fast")}))
    return site.model_copy(update={"cameras": tuple(cameras)})


def with_options(url: str, **options: str) -> str:
    """A file's URL with some of its options replaced."""
    path, _, query = url.partition("?")
    pairs = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)
    return path + "?" + "&".join(f"{name}={value}" for name, value in (pairs | options).items())


def with_recording(
    source: Path, site: Site, camera_id: str | None = None, clock: str | None = None, fps: float | None = None
) -> Site:
    """The site reduced to one camera, whose pictures come from a recording.

    If the recording is the file that the camera plays, its clock and rate are the camera's.

    Args:
        source: A video file or a folder of images.
        camera_id: Optional if the site has only one camera.
        clock: Capture time of the first picture, ISO 8601; the recording's own if None.
        fps: Frames per second; the recording's own if None.

    Raises:
        KeyError: the site has no such camera.
        ValueError: it has several, and ``camera_id`` is missing.
    """
    if camera_id is None and len(site.cameras) > 1:
        names = ", ".join(camera.id for camera in site.cameras)
        raise ValueError(f"which camera recorded {source}? The site has {names}: give one with --camera")
    camera = site.camera(camera_id) if camera_id else site.cameras[0]
    address = SourceUrl.parse(camera.url, time_zone=camera.time_zone or site.time_zone)
    if address.kind in {"file", "folder"} and Path(address.target).resolve() == source.resolve():
        url = with_options(camera.url, loop="0", pace="fast")
    else:
        url = f"file://{quote(str(source.absolute()), errors='surrogateescape')}?pace=fast"
    if clock:
        url = with_options(url, clock=clock)
    if fps:
        url = with_options(url, fps=f"{fps:g}")
    return site.model_copy(update={"cameras": (camera.model_copy(update={"url": url}),)})
