"""The commands with a console: ``demo`` and ``run`` (a site in one process) and ``serve`` (the service over Kafka)."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api import app, server
from api.auth import UnsafeAccessError
from api.in_process_service import InProcessService, ServiceContext
from api.proxy import parse_networks
from api.storage.data_directory import DataDirectory, DirectoryInUseError
from api.storage.records import StoredEvent
from detectors import event_table, pipeline
from detectors.site import validation
from lanewatch import demo as bundled
from lanewatch import interruption, progress, service
from lanewatch.config.problems import SiteError
from lanewatch.config.site import Site
from lanewatch.interruption import Interruption
from lanewatch.paths import existing
from lanewatch.records import Event
from models.detection.base import ModelMissingError
from models.hardware import DeviceMissingError
from streams.kafka.client.errors import BrokerError
from streams.sources.url import SourceError
from streams.stages import UnavailableError

DEMO_LEAD_S = 12.0
"""The clip's first event comes after 11.9 s: so much of it is played at full speed, the rest at its own pace."""


def demo(argv: list[str]) -> int:
    """Plays the bundled clip. It replaces the files of an earlier demo."""
    parser = _parser("demo", "Plays the bundled clip through the whole pipeline and shows its events.")
    arguments = _parsed(parser, argv)
    return _play(bundled.SITE, arguments.data / "demo", arguments, demo=True)


def run(argv: list[str]) -> int:
    """Runs any site file."""
    parser = _parser("run", "Runs a whole site in one process: samples, detects, watches and serves.")
    parser.add_argument("site", type=existing, help="the site file")
    arguments = _parsed(parser, argv)
    return _play(arguments.site, arguments.data, arguments)


def serve(argv: list[str]) -> int:
    """Serves the events of a site over Kafka: store, evidence, API and console."""
    from streams.kafka.workers import startup  # here, since a demo does without Kafka and its client costs 180 ms

    parser = argparse.ArgumentParser(
        prog="lanewatch serve",
        description="Stores the events of a site from Kafka, cuts their evidence and serves both. One service owns a "
        "store; a second one of the same site waits until the first one ends.",
    )
    startup.options(parser)
    _place(parser)
    arguments = parser.parse_args(argv)
    with _printed_errors(), service.process(arguments, "serve") as stop, DataDirectory(arguments.data) as folder:
        return _serve_over_kafka(folder, arguments, stop)
    return 1


def _printed_errors() -> service.PrintedErrors:
    complete = SiteError, SourceError, ModelMissingError, DeviceMissingError, UnsafeAccessError, BrokerError
    others = OSError, ValueError, UnavailableError, DirectoryInUseError
    return service.PrintedErrors(*complete, server.ServerError, others=others)


def _serve_over_kafka(folder: DataDirectory, arguments: argparse.Namespace, stop: threading.Event) -> int:
    from streams.kafka.evidence.frame_store import KafkaFrameStore
    from streams.kafka.workers import startup
    from streams.kafka.workers.event_store_worker import EventStoreWorker

    token = os.environ.get("LANEWATCH_TOKEN") or None
    with (
        server.listen(arguments.host, arguments.port, token_required=token is not None) as listening,
        startup.open_worker(arguments, "serve") as context,
        contextlib.closing(KafkaFrameStore(context.broker, context.topics, context.log.partition)) as footage,
        ServiceContext(
            lambda: context.log.revisions.site_at(time.time()), folder.path, footage, lasting=True
        ) as services,
    ):
        site = services.cameras.site
        application = app.create(
            services.store, services.evidence, site, cameras=services.cameras, token=token, **_proxy(arguments)
        )
        loop = EventStoreWorker(
            context.broker, context.topics, services.event_sink, node=context.node, anew=services.store.position() == 0
        )
        with server.Server(application, listening) as running:
            print(f"Lanewatch serves {site.name.en} ({site.name.ko}): {running.url}   (Ctrl-C ends it)", flush=True)
            try:
                loop.run(stop)
            finally:
                footage.hurry()
    return 0


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"lanewatch {name}", description=description)
    parser.add_argument(
        "--once", action="store_true", help="play recordings once at full speed, print the events, exit"
    )
    parser.add_argument("--json", action="store_true", help="with --once: print each event as a line of JSON")
    _place(parser)
    service.add_language(parser, _language())
    progress.add_option(parser)
    return parser


def _parsed(parser: argparse.ArgumentParser, argv: list[str]) -> argparse.Namespace:
    arguments = parser.parse_args(argv)
    if arguments.json and not arguments.once:
        parser.error("--json needs --once")
    return arguments


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=Path("var"), help="folder for events and evidence (default: var)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; any but loopback needs LANEWATCH_TOKEN"
    )
    parser.add_argument(
        "--port", type=service.port, default=8000, help="port to listen on; 0: any free one (default: 8000)"
    )
    parser.add_argument(
        "--trusted-proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="address or network of a reverse proxy whose X-Forwarded headers count; may be repeated",
    )
    parser.add_argument(
        "--root-path", default="", metavar="PATH", help="path under which a proxy serves this, such as /lanewatch"
    )


def _proxy(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings of ``app.create`` for a service behind a reverse proxy."""
    root_path = arguments.root_path.rstrip("/")
    if root_path and not root_path.startswith("/"):
        raise ValueError(f"--root-path {root_path}: write it with a slash at its start, such as /lanewatch")
    return {"trusted_proxies": parse_networks(arguments.trusted_proxy), "root_path": root_path}


def _language() -> str:
    return "ko" if os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("ko") else "en"


def _play(file: Path, place: Path, arguments: argparse.Namespace, *, demo: bool = False) -> int:
    with _printed_errors():
        site = validation.load(file)
        with DataDirectory(place) as folder:
            if arguments.once:
                return _once(pipeline.as_recordings(site), folder, arguments, anew=demo)
            return _serve(_with_lead(site) if demo else site, folder, arguments, anew=demo)
    return 1


def _with_lead(site: Site) -> Site:
    """The demo's clip with its first event at once, so that the page is not empty for 12 s."""
    camera = site.cameras[0]
    url = pipeline.with_options(camera.url, lead=f"{DEMO_LEAD_S:g}")
    return site.model_copy(update={"cameras": (camera.model_copy(update={"url": url}),)})


def _once(site: Site, folder: DataDirectory, arguments: argparse.Namespace, *, anew: bool) -> int:
    began = time.perf_counter()
    if anew:
        folder.empty()
    with InProcessService(site, folder.path, run="once", live=False) as in_process:
        revisions: list[Event] = []

        def take(stored: StoredEvent) -> None:
            if not arguments.json and all(event.id != stored.event.id for event in revisions):
                with progress.hidden():
                    print(event_table.opened(stored.event, site, arguments.language), flush=True)
            revisions.append(stored.event)

        in_process.store.listen(take)
        playing = pipeline.playing_progress(site, quiet=arguments.quiet)
        with _stopping(in_process) as interrupted, playing as in_process.runner.progress:
            in_process.runner.run()
    took = time.perf_counter() - began
    events = pipeline.latest_revisions(revisions)
    if arguments.json:
        sys.stdout.write(event_table.lines(events))
    else:
        print("\n" + event_table.table(revisions, site, arguments.language))
        print(
            f"\n{len(events)} events in {in_process.runner.frames} frames, {took:.1f} s "
            f"({in_process.runner.frames / took:.0f} frames/s, start included). Evidence and detections: {folder.path}"
        )
    for camera, error in in_process.runner.errors.items():
        print(f"camera {camera}: {error}", file=sys.stderr)
    if interrupted.number is not None:
        print("lanewatch: interrupted", file=sys.stderr)
    return interrupted.status or int(bool(in_process.runner.errors))


def _serve(site: Site, folder: DataDirectory, arguments: argparse.Namespace, *, anew: bool) -> int:
    token = os.environ.get("LANEWATCH_TOKEN") or None
    with server.listen(arguments.host, arguments.port, token_required=token is not None) as listening:
        if anew:
            folder.empty()  # only now: the port is open, so the new files will follow
        with InProcessService(site, folder.path, run="live", live=True) as in_process:
            application = app.create(
                in_process.store,
                in_process.evidence,
                site,
                cameras=in_process.cameras,
                token=token,
                store_waits=lambda: in_process.event_queue.store_waits,
                **_proxy(arguments),
            )
            with server.Server(application, listening) as running, _stopping(in_process):
                names = f"{site.name.en} ({site.name.ko})"
                print(f"Lanewatch watches {names}: {running.url}   (Ctrl-C ends it)", flush=True)
                return _watch(in_process)


def _watch(in_process: InProcessService) -> int:
    in_process.runner.run()
    if in_process.runner.stopped:
        return 0
    for camera, error in in_process.runner.errors.items():
        print(f"camera {camera}: {error}", file=sys.stderr)
    if len(in_process.runner.errors) == len(in_process.site.cameras):
        return 1
    print("All recordings have been played; their events stay on the page until Ctrl-C.", flush=True)
    in_process.runner.wait()
    return 0


@contextlib.contextmanager
def _stopping(in_process: InProcessService) -> Iterator[Interruption]:
    """SIGINT and SIGTERM end the cameras. Their last frames are still scored and stored."""

    def stop() -> None:
        # In its own thread: the interrupted thread may hold a lock that stopping waits for.
        threading.Thread(target=in_process.runner.stop, name="stop", daemon=True).start()

    with interruption.handled(stop) as interrupted:
        yield interrupted
