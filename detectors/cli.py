"""The commands of this package: ``lanewatch check``, ``rescore``, ``detect``, ``watch`` and ``correlate``."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lanewatch import progress, service
from lanewatch.paths import existing
from lanewatch.progress import Progress
from lanewatch.service import PrintedErrors

if TYPE_CHECKING:
    from detectors.pipeline import EventCollector
    from lanewatch.config.site import Site
    from lanewatch.records import Event
    from streams.kafka.workers.startup import WorkerContext
    from streams.kafka.workers.stateful_worker import StatefulWorker


def check(argv: Sequence[str]) -> int:
    """``lanewatch check SITE``: prints the site's summary, or the file's problems. Returns 1 if there are any."""
    parser = argparse.ArgumentParser(
        prog="lanewatch check", description="Validates a site file. Each problem has file, line and fix."
    )
    parser.add_argument("site", nargs="?", metavar="SITE", help="the site's YAML file")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument("--schema", action="store_true", help="print the site file's JSON Schema, for editors")
    options = parser.parse_args(argv)
    if options.schema == (options.site is not None):
        parser.error("give a site file, or --schema")
    if options.schema:
        from detectors.site.json_schema import schema

        print(json.dumps(schema(), indent=2, ensure_ascii=False))
        return 0
    return _check(options.site, as_json=options.json)


def _check(path: str, *, as_json: bool) -> int:
    from detectors.site import summary, validation

    site, problems = validation.validate(path)
    valid = not problems and site is not None
    if as_json:
        result = {"ok": valid, "site": site.id if valid and site else None, "problems": msgspec.to_builtins(problems)}
        print(json.dumps(result, indent=2, ensure_ascii=False))
    elif valid and site is not None:
        print(f"{path}: OK")
        print(summary.describe(site))
    else:
        for problem in problems:
            print(problem)
        print(f"{len(problems)} problem{'' if len(problems) == 1 else 's'}")
    return 0 if valid else 1


def rescore(argv: Sequence[str]) -> int:
    """``lanewatch rescore SOURCE --site SITE``: scores a recording, or archived detections."""
    parser = argparse.ArgumentParser(
        prog="lanewatch rescore",
        description="Scores a recording by a site file, or archived detections without decoding video again.",
    )
    parser.add_argument("source", type=existing, help="a video, a folder of images, or archived detections (Parquet)")
    parser.add_argument("--site", type=existing, required=True, help="the site file")
    parser.add_argument("--camera", help="the site's camera that recorded the video; archived detections have it")
    parser.add_argument("--clock", help="capture time of the video's first picture, such as 2026-01-15T02:00:00+09:00")
    parser.add_argument("--fps", type=float, help="the video's frames per second, if it does not say so itself")
    parser.add_argument("--run", default="rescore", help="name of this scoring; no run overwrites another")
    parser.add_argument("--keep", type=Path, help="folder for the archive of a video's detections")
    parser.add_argument("--json", action="store_true", help="one event a line, as JSON")
    service.add_language(parser)
    progress.add_option(parser)
    options = parser.parse_args(argv)
    if options.fps is not None and not 0 < options.fps <= 1000:
        parser.error("--fps must be above 0 and at most 1000")

    from detectors import pipeline
    from detectors.behaviours.base import BehaviourError
    from detectors.site import validation
    from detectors.thresholds import ThresholdError
    from lanewatch.config.problems import SiteError
    from models.detection.base import ModelMissingError
    from models.hardware import DeviceMissingError
    from streams.archive import detections_archive
    from streams.sources.url import SourceError

    with PrintedErrors(SiteError, SourceError, BehaviourError, ThresholdError, ModelMissingError, DeviceMissingError):
        site = validation.load(options.site, pictures=False)
        if not options.source.exists():
            raise FileNotFoundError(f"{options.source}: no such file or folder")
        collector = pipeline.EventCollector()
        try:
            if detections_archive.is_archive(options.source):
                _score_archive(options, site, collector)
            else:
                recording = pipeline.with_recording(options.source, site, options.camera, options.clock, options.fps)
                pipeline.score(recording, run=options.run, keep=options.keep, collector=collector, quiet=options.quiet)
        except KeyboardInterrupt:
            _print_events(collector.revisions, site, options)  # those so far
            raise
        _print_events(collector.revisions, site, options)
        return 0
    return 1


def _score_archive(options: argparse.Namespace, site: Site, collector: EventCollector) -> None:
    from detectors import pipeline
    from streams.archive import detections_archive

    for name in ("clock", "fps", "keep"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name} is for a video; {options.source} holds archived detections")
    cameras = None if options.camera is None else [site.camera(options.camera).id]
    total = detections_archive.count(options.source) if cameras is None else None
    with Progress(f"scoring {options.source.name}", total, unit="records", quiet=options.quiet) as progress:
        records = progress.through(detections_archive.read(options.source, cameras=cameras))
        first = next(records, None)
        if first is None:
            of_camera = f" of camera {options.camera}" if cameras else ""
            raise ValueError(f"{options.source} has no archived detections{of_camera}")
        for event in pipeline.rescore(itertools.chain([first], records), site, run=options.run):
            collector.upsert(event)


def _print_events(revisions: list[Event], site: Site, options: argparse.Namespace) -> None:
    from detectors import event_table, pipeline

    if options.json:
        print(event_table.lines(pipeline.latest_revisions(revisions)), end="")
    else:
        print(event_table.table(revisions, site, options.language))


def detect(argv: Sequence[str]) -> int:
    """``lanewatch detect SITE``: detects objects in a site's frames, together with other processes."""
    from streams.kafka.workers import startup

    parser = argparse.ArgumentParser(
        prog="lanewatch detect",
        description="Detects objects in the frames of the Kafka topic. Several processes, such as one for each GPU, "
        "share the work.",
    )
    startup.options(parser)
    parser.add_argument("--model", metavar="NAME", help="the detector (default: the site's)")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: the site's)")
    parser.add_argument("--batch", type=int, help="pictures in one call (default: 8, on a GPU 32)")
    parser.add_argument(
        "--max-age",
        type=float,
        default=10.0,
        metavar="S",
        help="skip frames that have waited longer, and count them as shed (default: 10; 0: never)",
    )
    options = parser.parse_args(argv)
    if options.batch is not None and options.batch < 1:
        parser.error("--batch must be at least 1")
    if options.max_age < 0:
        parser.error("--max-age must be 0 or more seconds")
    return _detect(options)


GPU_BATCH = 32
"""A GPU is only used well with many pictures at once. At 1,000 a second they arrive within the 40 ms."""


def _detect(options: argparse.Namespace) -> int:
    from detectors.detect_stage import DetectStage
    from lanewatch import metrics
    from lanewatch.config.problems import SiteError
    from models import hardware
    from models.detection import base
    from models.detection import registry as detector_registry
    from models.pose import registry as pose_registry
    from streams.kafka.client.errors import BrokerError
    from streams.kafka.workers.detect_worker import BATCH, DECODERS, DetectWorker
    from streams.kafka.workers.startup import open_worker

    expected = SiteError, BrokerError, base.ModelMissingError, hardware.DeviceMissingError
    with (
        PrintedErrors(*expected, others=(OSError,)),
        service.process(options, "detect") as stop,
        open_worker(options, "detect") as worker,
    ):
        config = worker.log.revisions.latest.detector
        device = hardware.choose_device(options.device or config.device)
        network = detector_registry.load(options.model or config.name, device, config.score)
        pose = pose_registry.load(config.pose, device)
        batch = options.batch or (BATCH if device == "cpu" else GPU_BATCH)
        metrics.log("detect").info(
            "%s on %s, batches of %d, pose estimator %s", network.name, device, batch, pose.name if pose else "none"
        )
        DetectWorker(
            worker.broker,
            worker.topics,
            DetectStage(network, pose),
            batch=batch,
            max_age_s=options.max_age or None,
            decoders=max(DECODERS, hardware.usable_cores() // 2),
        ).run(stop)
        return 0
    return 1


def watch(argv: Sequence[str]) -> int:
    """``lanewatch watch SITE``: evaluates detections, together with other processes."""
    return _run_stateful(
        "watch",
        "Raises events from a site's detections. Several processes share the cameras. With --node, a process that "
        "restarts within 8 s keeps its cameras, and no other cameras move.",
        argv,
    )


def correlate(argv: Sequence[str]) -> int:
    """``lanewatch correlate SITE``: correlates the events of all cameras."""
    return _run_stateful(
        "correlate", "Correlates the events of all cameras. One process works; further ones are standbys.", argv
    )


def _run_stateful(stage: str, description: str, argv: Sequence[str]) -> int:
    from detectors.behaviours.base import BehaviourError
    from detectors.correlation.correlator import CorrelationError
    from detectors.thresholds import ThresholdError
    from lanewatch.config.problems import SiteError
    from streams.kafka.client.errors import BrokerError
    from streams.kafka.workers import startup

    parser = argparse.ArgumentParser(prog=f"lanewatch {stage}", description=description)
    startup.options(parser)
    parser.add_argument("--run", default="live", help="name of the scoring of the events (default: live)")
    options = parser.parse_args(argv)
    expected = SiteError, BrokerError, BehaviourError, ThresholdError, CorrelationError
    with (
        PrintedErrors(*expected, others=(OSError,)),
        service.process(options, stage) as stop,
        startup.open_worker(options, stage) as worker,
    ):
        _worker(stage, worker, options).run(stop)
        return 0
    return 1


def _worker(stage: str, context: WorkerContext, options: argparse.Namespace) -> StatefulWorker[Any, Any]:
    settings: Any = {"node": context.node, "instance": options.node is not None}
    kafka = context.broker, context.topics
    if stage == "watch":
        from detectors.camera_state import CameraState
        from detectors.watch_stage import WatchStage
        from models.tracking.tracker import warm
        from streams.kafka.workers.watch_worker import WatchWorker

        warm()
        make_watch = partial(WatchStage, run=options.run)
        return WatchWorker(*kafka, make_watch, context.log, state_type=CameraState, **settings)
    from detectors.correlation.correlator import Correlator, CorrelatorState
    from streams.kafka.workers.correlate_worker import CorrelateWorker

    make_correlator = partial(Correlator, run=options.run)
    return CorrelateWorker(*kafka, make_correlator, context.log, state_type=CorrelatorState, **settings)
