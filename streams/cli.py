"""The commands of this package: ``lanewatch status``, ``keep``, ``sample``, ``publish``, ``drain`` and ``migrate``."""

from __future__ import annotations

import argparse
import math
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lanewatch import progress, service
from lanewatch.paths import existing
from lanewatch.progress import Progress

if TYPE_CHECKING:
    from streams.kafka.workers.startup import WorkerContext

DRAIN_S = 20.0
"""A rebalance takes three to six seconds, a camera's first frame up to five."""


def status(argv: Sequence[str]) -> int:
    """``lanewatch status SITE``: stages, lag and cameras in one table. Exit status 1 if there is a problem."""
    parser = argparse.ArgumentParser(
        prog="lanewatch status",
        description="Shows the processes of all stages, their lag, and each camera's state. Problems come first. The "
        "exit status is 0 without problems, else 1.",
    )
    parser.add_argument("site", type=existing, metavar="SITE", help="the site file")
    parser.add_argument("--all", action="store_true", help="list every camera")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    service.add_language(parser)
    options = parser.parse_args(argv)
    import msgspec

    from lanewatch.config import loader
    from lanewatch.config.problems import SiteError
    from streams.kafka.client.connection import Broker
    from streams.kafka.client.errors import BrokerError
    from streams.kafka.monitoring import status_table
    from streams.kafka.monitoring.status import load_status

    try:
        file = loader.load(options.site, resolve=False)
        found, site = load_status(Broker(file, "status"), file)
    except (SiteError, BrokerError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        content = msgspec.to_builtins(found)
        for row, problem in zip(content["problems"], found.problems, strict=True):
            row["sentence"] = {language: status_table.sentence(problem, language) for language in ("ko", "en")}
        print(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())
    else:
        print(status_table.table(found, site, options.language, all=options.all))
    return 1 if found.problems else 0


def keep(argv: Sequence[str]) -> int:
    """``lanewatch keep SITE``: stores the detections as Parquet files; several processes share the work."""
    parser = _parser(
        "keep",
        "Stores the detections as Parquet files, for `lanewatch rescore`. Several processes share the work. A process "
        "that is absent for less than the detections' retention loses nothing.",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("var"), help="folder in which detections/ is written (default: var)"
    )
    options = parser.parse_args(argv)

    def run(context: WorkerContext, stop: threading.Event) -> None:
        from streams.kafka.workers.archive_worker import ArchiveWorker

        ArchiveWorker(context.broker, context.topics, options.data / "detections", node=context.node).run(stop)

    return _run(options, "keep", run)


def sample(argv: Sequence[str]) -> int:
    """``lanewatch sample SITE``: samples cameras; several processes share them."""
    parser = _parser(
        "sample",
        "Samples the site's cameras as one of several nodes, which share them. A planned end (SIGTERM) or "
        "`lanewatch drain` hands them over without a gap.",
    )
    options = parser.parse_args(argv)

    def run(context: WorkerContext, stop: threading.Event) -> None:
        from streams.kafka.workers.sample_worker import SampleWorker

        SampleWorker(context.broker, context.topics, context.log, node=context.node).run(stop)

    return _run(options, "sample", run)


def publish(argv: Sequence[str]) -> int:
    """``lanewatch publish SITE``: puts a site file into effect, now or from a given time on."""
    parser = _parser(
        "publish", "Puts a site file into effect. Samplers, watchers and the correlation follow without a restart."
    )
    parser.add_argument(
        "--from",
        dest="valid_from",
        type=_instant,
        metavar="TIME",
        help="capture time from which it is in effect: 2026-01-15T02:00:00+09:00, or +10s from now (default: now)",
    )
    options = parser.parse_args(argv)

    def run(context: WorkerContext, stop: threading.Event) -> None:
        if not context.log.empty and context.log.revisions.latest == context.file and options.valid_from is None:
            print(f"site {context.file.id} ({context.file.digest}) is in effect already")
            return
        revision = context.log.publish(context.file, options.valid_from)
        since = "at any time"
        if not math.isinf(revision.valid_from):
            since = f"from {datetime.fromtimestamp(revision.valid_from, UTC).isoformat(timespec='seconds')} on"
        cameras = len(context.file.cameras)
        print(f"site {context.file.id} ({context.file.digest}), {cameras} cameras, is in effect {since}")

    return _run(options, "publish", run, first=False)


def drain(argv: Sequence[str]) -> int:
    """``lanewatch drain SITE NODE``: a sampler hands over its cameras and ends. 1 if a camera has no successor."""
    parser = _parser("drain", "Makes a sampler hand over its cameras to the other samplers, without a gap, and end.")
    parser.add_argument("drained", metavar="NODE", help="the sampler's --node")
    progress.add_option(parser)
    options = parser.parse_args(argv)
    left: list[str] = []

    def run(context: WorkerContext, stop: threading.Event) -> None:
        from streams.kafka.ownership.sampler_registry import SamplerRegistry

        with SamplerRegistry(context.broker, context.topics) as registry:
            registry.read()
            ids = {camera.id for camera in context.log.revisions.site_at(time.time()).cameras}
            before = {id: owner for id, owner in registry.owners.items() if owner.node == options.drained and id in ids}
            if not before:
                nodes = sorted({owner.node for owner in registry.owners.values()})
                print(
                    f"{options.drained} samples no camera; the samplers are {', '.join(nodes) or 'none'}",
                    file=sys.stderr,
                )
                left[:] = [options.drained]
                return
            registry.request_leave(options.drained)
            deadline = time.monotonic() + DRAIN_S
            left[:] = before
            with Progress("draining", len(before), unit="cameras", quiet=options.quiet) as drained:
                while left and time.monotonic() < deadline and not stop.wait(0.1):
                    owners = registry.owners
                    held = [camera for camera, owner in before.items() if owners[camera].process == owner.process]
                    drained.add(len(left) - len(held))
                    left[:] = held
            print(f"{len(before) - len(left)} of {len(before)} cameras of {options.drained} are sampled by others")
            for camera in left:
                print(f"{camera}: no other sampler has taken it within {DRAIN_S:.0f} s", file=sys.stderr)

    return _run(options, "drain", run, first=False) or int(bool(left))


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    from streams.kafka.workers import startup

    parser = argparse.ArgumentParser(prog=f"lanewatch {command}", description=description)
    startup.options(parser)
    return parser


def _run(
    options: argparse.Namespace,
    stage: str,
    run: Callable[[WorkerContext, threading.Event], None],
    *,
    first: bool = True,
) -> int:
    from lanewatch.config.problems import SiteError
    from streams.kafka.client.errors import BrokerError
    from streams.kafka.workers.startup import open_worker

    try:
        with (
            service.process(options, stage, lasting=first) as stop,
            open_worker(options, stage, first=first) as context,
        ):
            run(context, stop)
    except (SiteError, BrokerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _instant(text: str) -> float:
    """Seconds UTC of an ISO time, or of an interval from now."""
    relative = re.fullmatch(r"\+(\d+(?:\.\d+)?)s", text)
    if relative:
        return time.time() + float(relative[1])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: write it like 2026-01-15T02:00:00+09:00, or +10s") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text}: add the time zone, such as {text}+09:00")
    return moment.timestamp()


def migrate(argv: Sequence[str]) -> int:
    """``lanewatch migrate SITE CAMERA URL``: moves a camera to another source without a gap. 1 if it was not moved."""
    parser = _parser(
        "migrate",
        "Plays a camera's old and new source side by side, compares them, and moves the camera to the new one without "
        "a gap. The old URL is stored for --roll-back.",
    )
    parser.add_argument("camera", metavar="CAMERA", help="the camera's id")
    parser.add_argument("url", metavar="URL", nargs="?", help="its new URL; the samplers replace ${NAME}")
    parser.add_argument(
        "--for", dest="seconds", type=float, default=60.0, metavar="SECONDS", help="duration of the comparison"
    )
    parser.add_argument("--yes", action="store_true", help="move it without a question, if the comparison allows it")
    parser.add_argument("--roll-back", action="store_true", help="restore the previous URL")
    progress.add_option(parser)
    options = parser.parse_args(argv)
    if (options.url is None) != options.roll_back:
        parser.error("give the new URL, or --roll-back")
    if not 0 < options.seconds <= 3600:
        parser.error("--for must be above 0 and at most 3600 seconds")
    moved: list[bool] = []

    def run(context: WorkerContext, stop: threading.Event) -> None:
        moved.append(_migrate(context, options, stop))

    return _run(options, "migrate", run, first=False) or int(moved != [True])


def _migrate(context: WorkerContext, options: argparse.Namespace, stop: threading.Event) -> bool:
    from streams import source_comparison
    from streams.kafka.ownership.camera_task import player
    from streams.sources.url import SourceError, redact

    site = context.log.revisions.site_at(time.time())
    try:
        camera = site.camera(options.camera)
        url = context.log.previous_url(camera.id) if options.roll_back else options.url
        if url is None:
            print(f"{camera.id} has had no other URL", file=sys.stderr)
            return False
        if not options.roll_back:
            changed = camera.model_copy(update={"url": url})
            old, new = player(camera, site.time_zone), player(changed, site.time_zone)
            found = source_comparison.compare(
                old, new, options.seconds, 1 / camera.rate.active, stop, quiet=options.quiet
            )
            print(source_comparison.table(found))
            if found.refusals or stop.is_set() or not (options.yes or _confirmed(f"move {camera.id}?")):
                return False
    except KeyError as error:
        print(f"lanewatch: {error.args[0]}", file=sys.stderr)
        return False
    except SourceError as error:
        print(error, file=sys.stderr)
        return False
    context.log.change_url(camera.id, url)
    print(f"{camera.id} is sampled from {redact(url)} now; `--roll-back` restores {redact(camera.url)}")
    return True


def _confirmed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False
