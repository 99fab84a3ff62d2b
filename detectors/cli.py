"""The commands of this package: ``lanewatch check``, ``rescore``, ``detect``, ``watch`` and ``correlate``."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from streams.kafka.workers.startup import WorkerContext
    from streams.kafka.workers.stateful_worker import StatefulWorker


def check(argv: Sequence[str]) -> int:
    """``lanewatch check SITE``: what is watched where, or all that is wrong in the file. 1 where there is something."""
    parser = argparse.ArgumentParser(
        prog="lanewatch check",
        description="Validates a site file. Each problem names file, line, what is wrong and what to do.",
    )
    parser.add_argument("site", nargs="?", metavar="SITE", help="the site's YAML file")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument("--schema", action="store_true", help="print the site file's JSON Schema, for editors")
    options = parser.parse_args(argv)
    if options.schema == (options.site is not None):
        parser.error("give a site file, or --schema")
    if options.schema:
        return _print_schema()
    return _check(options.site, as_json=options.json)


def _print_schema() -> int:
    from detectors.site.json_schema import schema

    print(json.dumps(schema(), indent=2, ensure_ascii=False))
    return 0


def _check(path: str, *, as_json: bool) -> int:
    from detectors.site import summary, validation

    site, problems = validation.validate(path)
    sound = not problems and site is not None
    if as_json:
        answer = {"ok": sound, "site": site.id if sound and site else None, "problems": msgspec.to_builtins(problems)}
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    elif sound and site is not None:
        print(f"{path}: OK")
        print(summary.describe(site))
    else:
        for problem in problems:
            print(problem)
        print(f"{len(problems)} problem{'' if len(problems) == 1 else 's'}")
    return 0 if sound else 1


def rescore(argv: Sequence[str]) -> int:
    """``lanewatch rescore SOURCE --site SITE``: the events of a recording, or of detections that were kept."""
    parser = argparse.ArgumentParser(
        prog="lanewatch rescore",
        description="Scores recorded footage, or kept detections without touching video again, by a site file's rules.",
    )
    parser.add_argument("source", type=Path, help="a video, a folder of images, or kept detections (Parquet)")
    parser.add_argument("--site", type=Path, required=True, help="the site file")
    parser.add_argument("--camera", help="which of the site's cameras took the video; kept detections know")
    parser.add_argument("--clock", help="capture time of the video's first picture, such as 2026-01-15T02:00:00+09:00")
    parser.add_argument("--run", default="rescore", help="name of this scoring; no run writes over another")
    parser.add_argument("--keep", type=Path, help="folder in which the detections of a video are kept")
    parser.add_argument("--json", action="store_true", help="one event a line, as JSON")
    parser.add_argument("--language", choices=("ko", "en"), default="en", help="of the printed table")
    return _rescore(parser.parse_args(argv))


def _rescore(options: argparse.Namespace) -> int:
    from detectors import event_table, pipeline
    from detectors.behaviours.base import BehaviourError
    from detectors.site import validation
    from detectors.thresholds import ThresholdError
    from lanewatch.config.problems import SiteError
    from models.detection.base import ModelMissingError
    from models.hardware import DeviceMissingError
    from streams.archive import detections_archive
    from streams.sources.url import SourceError

    try:
        site = validation.load(options.site, pictures=False)
        if detections_archive.is_archive(options.source):
            cameras = [options.camera] if options.camera else None
            revisions = list(
                pipeline.rescore(detections_archive.read(options.source, cameras=cameras), site, run=options.run)
            )
        else:
            revisions = pipeline.score(
                pipeline.with_recording(options.source, site, options.camera, options.clock),
                run=options.run,
                keep=options.keep,
            )
    except (SiteError, SourceError, BehaviourError, ThresholdError, ModelMissingError, DeviceMissingError) as error:
        print(error, file=sys.stderr)
    except (OSError, ValueError, KeyError) as error:
        print(f"lanewatch: {error.args[0] if isinstance(error, KeyError) else error}", file=sys.stderr)
    else:
        print(
            event_table.lines(pipeline.latest_revisions(revisions))
            if options.json
            else event_table.table(revisions, site, options.language),
            end="" if options.json else "\n",
        )
        return 0
    return 1


def detect(argv: Sequence[str]) -> int:
    """``lanewatch detect SITE``: looks at a city's frames, together with all others that do."""
    from streams.kafka.workers import startup

    parser = argparse.ArgumentParser(
        prog="lanewatch detect",
        description="Looks at the frames that come over Kafka and sends on what is in them. Start more of it, one for "
        "each GPU, and they share the work.",
    )
    startup.options(parser)
    parser.add_argument("--model", metavar="NAME", help="the detector; the site's if absent")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N; the site's if absent")
    parser.add_argument("--batch", type=int, help="pictures in one call (default: 8, on a GPU 32)")
    parser.add_argument(
        "--max-age",
        type=float,
        default=10.0,
        metavar="S",
        help="frames that have waited longer are not looked at, but counted as shed (default: 10; 0: never)",
    )
    options = parser.parse_args(argv)
    if options.batch is not None and options.batch < 1:
        parser.error("--batch must be at least 1")
    if options.max_age < 0:
        parser.error("--max-age must be 0 or more seconds")
    return _detect(options)


GPU_BATCH = 32
"""A GPU is busy only with many pictures at once; at 1,000 a second they are there within the 40 ms."""


def _detect(options: argparse.Namespace) -> int:
    from detectors.detect_stage import DetectStage
    from lanewatch import metrics, service
    from lanewatch.config.problems import SiteError
    from models import hardware
    from models.detection import base
    from models.detection import registry as detector_registry
    from models.pose import registry as pose_registry
    from streams.kafka.client.errors import BrokerError
    from streams.kafka.workers.detect_worker import BATCH, DECODERS, DetectWorker
    from streams.kafka.workers.startup import open_worker

    try:
        with service.process(options, "detect") as stop, open_worker(options, "detect") as city:
            wanted = city.log.revisions.latest.detector
            device = hardware.choose_device(options.device or wanted.device)
            network = detector_registry.load(options.model or wanted.name, device, wanted.score)
            joints = pose_registry.load(wanted.pose, device)
            batch = options.batch or (BATCH if device == "cpu" else GPU_BATCH)
            metrics.log("detect").info(
                "%s on %s, batches of %d, poses by %s", network.name, device, batch, joints.name if joints else "nobody"
            )
            DetectWorker(
                city.broker,
                city.topics,
                DetectStage(network, joints),
                node=city.node,
                batch=batch,
                max_age_s=options.max_age or None,
                decoders=max(DECODERS, hardware.usable_cores() // 2),
            ).run(stop)
    except (SiteError, BrokerError, base.ModelMissingError, hardware.DeviceMissingError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"lanewatch: {error}", file=sys.stderr)
        return 1
    return 0


def watch(argv: Sequence[str]) -> int:
    """``lanewatch watch SITE``: judges what was seen, together with all others that do."""
    return _fold(
        "watch",
        "Judges what is seen at a city's cameras; start more of it and they share them. With --node, a process that is "
        "back within 8 s has its cameras still, and nobody else's move.",
        argv,
    )


def correlate(argv: Sequence[str]) -> int:
    """``lanewatch correlate SITE``: finds what spans cameras in the events of all of them."""
    return _fold(
        "correlate",
        "Finds what spans cameras, in the events of all of them. One is at work; another one stands by.",
        argv,
    )


def _fold(stage: str, description: str, argv: Sequence[str]) -> int:
    from detectors.behaviours.base import BehaviourError
    from detectors.correlation.correlator import CorrelationError
    from detectors.thresholds import ThresholdError
    from lanewatch import service
    from lanewatch.config.problems import SiteError
    from streams.kafka.client.errors import BrokerError
    from streams.kafka.workers import startup

    parser = argparse.ArgumentParser(prog=f"lanewatch {stage}", description=description)
    startup.options(parser)
    parser.add_argument("--run", default="live", help="name of the scoring to which the events belong (default: live)")
    parser.add_argument(
        "--spool",
        type=Path,
        default=Path("var") / stage,
        metavar="FOLDER",
        help=f"where events wait while the broker is away (default: var/{stage})",
    )
    options = parser.parse_args(argv)
    try:
        with service.process(options, stage) as stop, startup.open_worker(options, stage) as city:
            _loop(stage, city, options).run(stop)
    except (SiteError, BrokerError, BehaviourError, ThresholdError, CorrelationError) as error:
        print(error, file=sys.stderr)
    except (OSError, sqlite3.Error) as error:
        print(f"lanewatch: {error}", file=sys.stderr)
    else:
        return 0
    return 1


def _loop(stage: str, city: WorkerContext, options: argparse.Namespace) -> StatefulWorker[Any, Any]:
    settings: Any = {"node": city.node, "instance": options.node is not None, "folder": options.spool}
    if stage == "watch":
        from detectors.watch_stage import CameraState, WatchStage
        from streams.kafka.workers.watch_worker import WatchWorker

        watch_of = partial(WatchStage, run=options.run)
        return WatchWorker(city.broker, city.topics, watch_of, city.log, state_type=CameraState, **settings)
    from detectors.correlation.correlator import Correlator, CorrelatorState
    from streams.kafka.workers.correlate_worker import CorrelateWorker

    correlate_of = partial(Correlator, run=options.run)
    return CorrelateWorker(city.broker, city.topics, correlate_of, city.log, state_type=CorrelatorState, **settings)
