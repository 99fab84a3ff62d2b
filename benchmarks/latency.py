"""Latency from the capture of the frame that caused a revision until that revision can be read over the API.

The demo's site runs live for the length of its clip, behind a real server (protocol: benchmarks/PROTOCOLS.md).
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from api import app, server
from api.in_process_service import InProcessService
from benchmarks import command
from lanewatch import demo
from lanewatch.config import loader
from lanewatch.config.site import Site
from lanewatch.records import Detections

CLIP_S = 795 / 7


def main() -> None:
    """Prints the report."""
    parser = command.parser(__doc__, "p50_ms, p95_ms, max_ms, n, first_event_s")
    parser.add_argument("--seconds", type=float, default=CLIP_S, help="duration (the clip's)")
    parser.add_argument("--cameras", type=int, default=1, help="number of cameras that play the clip (%(default)s)")
    options = parser.parse_args()
    figures = measure(with_cameras(loader.load(demo.SITE), options.cameras), options.seconds)
    command.show(figures, lambda figures: f"{options.cameras} camera(s), {table(figures)}", options.json)


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    return (
        f"capture to readable over the API, {figures['n']} revisions: median {figures['p50_ms']} ms, "
        f"p95 {figures['p95_ms']} ms, longest {figures['max_ms']} ms; "
        f"first event {figures['first_event_s']} s after the pipeline's start"
    )


def with_cameras(site: Site, count: int) -> Site:
    """The site with copies of its first camera."""
    first = site.cameras[0]
    cameras = tuple(first.model_copy(update={"id": f"{first.id}-{number}"}) for number in range(count))
    return site.model_copy(update={"cameras": cameras})


def serve(service: InProcessService) -> server.Server:
    """The HTTP API of a running site, on a free port of this machine."""
    created = app.create(service.store, service.evidence, service.site, cameras=service.cameras)
    return server.serve(created, "127.0.0.1", 0)


def measure(site: Site, seconds: float) -> dict[str, Any]:
    """Runs the site for some seconds and returns the figures."""
    offsets: dict[tuple[str, int], float] = {}
    epochs: dict[tuple[str, int], int] = {}
    arrivals: list[tuple[str, int, float]] = []

    def watch_clock(detections: Detections) -> None:
        if detections.gap is None:
            key = (detections.camera, detections.epoch)
            offset = detections.received_at - detections.captured_at
            offsets[key] = min(offset, offsets.get(key, offset))
            epochs[detections.camera, round(detections.captured_at * 1000)] = detections.epoch

    with (
        tempfile.TemporaryDirectory() as folder,
        InProcessService(site, Path(folder), run="live", live=True, also=watch_clock) as service,
        serve(service) as running,
    ):
        threading.Thread(target=follow_events, args=(running.url, arrivals), daemon=True).start()
        began = time.time()
        threading.Timer(seconds, service.runner.stop).start()
        service.runner.run()
    if not arrivals:
        raise SystemExit("no event was raised in that time; use a longer --seconds")
    delays = [
        arrived * 1000 - revision - offsets[camera, epochs[camera, revision]] * 1000
        for camera, revision, arrived in arrivals
        if (camera, revision) in epochs
    ]
    p50, p95 = np.percentile(delays, (50, 95))
    return {
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "max_ms": round(max(delays), 1),
        "n": len(delays),
        "first_event_s": round(arrivals[0][2] - began, 1),
    }


def follow_events(url: str, arrivals: list[tuple[str, int, float]]) -> None:
    """Follows the event stream; appends camera, revision (capture time) and the time at which the event was read."""
    seen: set[tuple[str, int]] = set()
    with httpx.Client(base_url=url, timeout=None) as client:
        try:
            with client.stream("GET", "/v1/events/stream") as stream:
                for line in stream.iter_lines():
                    if not line.startswith("data:"):
                        continue
                    change = json.loads(line.removeprefix("data:"))
                    key = (change["id"], change.get("revision", 0))
                    if "revision" not in change or key in seen:
                        continue  # a change of the evidence
                    event = client.get(f"/v1/events/{change['id']}").json()
                    if event["revision"] >= change["revision"]:
                        seen.add(key)
                        arrivals.append((change["camera"], change["revision"], time.time()))
        except httpx.HTTPError:
            return  # the service has ended


if __name__ == "__main__":
    main()
