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

if TYPE_CHECKING:
    from streams.kafka.workers.startup import WorkerContext


def status(argv: Sequence[str]) -> int:
    """``lanewatch status SITE``: the stages, their lag and the cameras in one table. 1 where something is wrong."""
    parser = argparse.ArgumentParser(
        prog="lanewatch status",
        description="Shows who is at work in a city, how far behind, and each camera's last word; what is wrong comes "
        "first, and is the exit status: 0 all is well, 1 something is wrong.",
    )
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file")
    parser.add_argument("--all", action="store_true", help="list every camera, however many there are")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument("--language", choices=("ko", "en"), default="en", help="of the printed table")
    return _status(parser.parse_args(argv))


def _status(options: argparse.Namespace) -> int:
    import msgspec

    from lanewatch.config import loader
    from lanewatch.config.problems import SiteError
    from streams.kafka.client.connection import Broker
    from streams.kafka.client.errors import BrokerError
    from streams.kafka.monitoring import status_table
    from streams.kafka.monitoring.status import inspect

    try:
        file = loader.load(options.site, resolve=False)
        found, site = inspect(Broker(file, "status"), file)
    except (SiteError, BrokerError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        told = msgspec.to_builtins(found)
        for problem, one in zip(told["problems"], found.problems, strict=True):
            problem["sentence"] = {language: status_table.sentence(one, language) for language in ("ko", "en")}
        print(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        print(status_table.table(found, site, options.language, all=options.all))
    return 1 if found.problems else 0


def keep(argv: Sequence[str]) -> int:
    """``lanewatch keep SITE``: keeps a city's detections as Parquet, together with all others that do."""
    parser = _parser(
        "keep",
        "Keeps what a city's detectors saw, for `lanewatch rescore`. Several share the work; one that is "
        "away for less than the detections' retention loses nothing.",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("var"), help="folder in which detections/ is written (default: var)"
    )
    options = parser.parse_args(argv)

    def run(city: WorkerContext, stop: threading.Event) -> None:
        from streams.kafka.workers.archive_worker import ArchiveWorker

        ArchiveWorker(city.broker, city.topics, options.data / "detections", node=city.node).run(stop)

    return _in(options, "keep", run)


def sample(argv: Sequence[str]) -> int:
    """``lanewatch sample SITE``: samples a city's cameras, together with all others that do."""
    parser = _parser(
        "sample",
        "Samples a city's cameras as one of any number of nodes, which share them. A planned end (SIGTERM) "
        "or `lanewatch drain` hands them over without a gap.",
    )
    options = parser.parse_args(argv)

    def run(city: WorkerContext, stop: threading.Event) -> None:
        from streams.kafka.workers.sample_worker import SampleWorker

        SampleWorker(city.broker, city.topics, city.log, node=city.node).run(stop)

    return _in(options, "sample", run)


def publish(argv: Sequence[str]) -> int:
    """``lanewatch publish SITE``: makes a site file hold in the city, from now or from a stated time on."""
    parser = _parser(
        "publish",
        "Makes a site file hold in the city: samplers, watchers and correlation take it up by themselves.",
    )
    parser.add_argument(
        "--from",
        dest="valid_from",
        type=_instant,
        metavar="TIME",
        help="capture time from which it holds: 2026-01-15T02:00:00+09:00, or +10s from now (default: now)",
    )
    options = parser.parse_args(argv)

    def run(city: WorkerContext, stop: threading.Event) -> None:
        if not city.log.empty and city.log.revisions.latest == city.file and options.valid_from is None:
            print(f"site {city.file.id} ({city.file.digest}) holds already")
            return
        revision = city.log.publish(city.file, options.valid_from)
        since = "from ever" if math.isinf(revision.valid_from) else f"from {_told(revision.valid_from)} on"
        print(f"site {city.file.id} ({city.file.digest}), {len(city.file.cameras)} cameras, holds {since}")

    return _in(options, "publish", run, first=False)


def drain(argv: Sequence[str]) -> int:
    """``lanewatch drain SITE NODE``: has a sampler hand its cameras over and end. 1 where some have no successor."""
    parser = _parser(
        "drain",
        "Has a sampler hand its cameras over to the others, without a gap, and end.",
    )
    parser.add_argument("drained", metavar="NODE", help="the sampler's --node")
    options = parser.parse_args(argv)
    left: list[str] = []

    def run(city: WorkerContext, stop: threading.Event) -> None:
        from streams.kafka.ownership.sampler_registry import SamplerRegistry

        with SamplerRegistry(city.broker, city.topics) as holders:
            holders.read()
            present = {camera.id for camera in city.log.revisions.at(time.time()).cameras}
            his = {c: one.process for c, one in holders.all.items() if one.node == options.drained and c in present}
            if not his:
                print(f"{options.drained} samples nothing")
                return
            holders.ask(options.drained)
            until = time.monotonic() + DRAIN_S
            while time.monotonic() < until and not stop.wait(0.1):
                left[:] = [c for c, process in his.items() if (now := holders.of(c)) and now.process == process]
                if not left:
                    break
            print(f"{len(his) - len(left)} of {len(his)} cameras of {options.drained} are sampled by others")
            for camera in left:
                print(f"{camera}: nobody has taken it within {DRAIN_S:.0f} s", file=sys.stderr)

    return _in(options, "drain", run, first=False) or int(bool(left))


DRAIN_S = 20.0
"""The group settles in three to six seconds, a camera shows its first picture within five."""


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    from streams.kafka.workers import startup

    parser = argparse.ArgumentParser(prog=f"lanewatch {command}", description=description)
    startup.options(parser)
    return parser


def _in(
    options: argparse.Namespace,
    stage: str,
    run: Callable[[WorkerContext, threading.Event], None],
    *,
    first: bool = True,
) -> int:
    from lanewatch import service
    from lanewatch.config.problems import SiteError
    from streams.kafka.client.errors import BrokerError
    from streams.kafka.workers.startup import open_worker

    try:
        with service.process(options, stage) as stop, open_worker(options, stage, first=first) as city:
            run(city, stop)
    except (SiteError, BrokerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _instant(text: str) -> float:
    """A time as people give it, seconds UTC."""
    relative = re.fullmatch(r"\+(\d+(?:\.\d+)?)s", text)
    if relative:
        return time.time() + float(relative[1])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: write it like 2026-01-15T02:00:00+09:00, or +10s") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text}: say which time zone it is in, such as {text}+09:00")
    return moment.timestamp()


def _told(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def migrate(argv: Sequence[str]) -> int:
    """``lanewatch migrate SITE CAMERA URL``: moves a camera to another source without a gap. 1 where it may not be."""
    parser = _parser(
        "migrate",
        "Runs a camera's old and new source side by side, compares them, and moves the camera to the new "
        "one without a gap; the old one is kept for --roll-back.",
    )
    parser.add_argument("camera", metavar="CAMERA", help="the camera's id")
    parser.add_argument("url", metavar="URL", nargs="?", help="its new URL; ${NAME} is left to the samplers")
    parser.add_argument(
        "--for", dest="seconds", type=float, default=60.0, metavar="SECONDS", help="compare for so long"
    )
    parser.add_argument("--yes", action="store_true", help="move it without asking, if it may be moved")
    parser.add_argument("--roll-back", action="store_true", help="give it the URL back that it had before")
    options = parser.parse_args(argv)
    if (options.url is None) != options.roll_back:
        parser.error("give the new URL, or --roll-back")
    moved: list[bool] = []

    def run(city: WorkerContext, stop: threading.Event) -> None:
        moved.append(_migrate(city, options, stop))

    return _in(options, "migrate", run, first=False) or int(moved != [True])


def _migrate(city: WorkerContext, options: argparse.Namespace, stop: threading.Event) -> bool:
    from streams import source_comparison
    from streams.kafka.ownership.camera_task import player
    from streams.sources.url import SourceError, redact

    site = city.log.revisions.at(time.time())
    try:
        camera = site.camera(options.camera)
        url = city.log.previous_url(camera.id) if options.roll_back else options.url
        if url is None:
            print(f"{camera.id} has never had another URL", file=sys.stderr)
            return False
        if not options.roll_back:
            old, new = (player(camera.model_copy(update={"url": one}), site.time_zone) for one in (camera.url, url))
            found = source_comparison.compare(old, new, options.seconds, 1 / camera.rate.active, stop)
            print(source_comparison.table(found))
            if found.refusals or stop.is_set() or not (options.yes or _agreed(f"move {camera.id}?")):
                return False
    except KeyError as error:
        print(f"lanewatch: {error.args[0]}", file=sys.stderr)
        return False
    except SourceError as error:
        print(error, file=sys.stderr)
        return False
    city.log.change_url(camera.id, url)
    print(f"{camera.id} is sampled from {redact(url)} now; `--roll-back` gives it {redact(camera.url)} back")
    return True


def _agreed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False
