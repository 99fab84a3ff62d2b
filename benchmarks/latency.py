"""Latency: from the capture of the frame that caused a revision to that revision readable over the API.

The demo's site runs live for the length of its clip, behind a real server; a client follows the feed and reads each
revision's event as soon as the feed tells of it. A frame's capture is the moment at which the clip's clock showed it:
the offset between that clock and this machine's is the least that any frame of the epoch had, so that late frames count
as late. Revisions that no frame caused (the end of a loop) are left out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np

from api import app, server
from api.site_service import SiteService
from lanewatch import demo
from lanewatch.config import loader
from lanewatch.config.site import Site
from lanewatch.records import Detections

CLIP_S = 795 / 7


def main() -> None:
    """Prints the figures, or with ``--json`` the object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object: p50_ms, p95_ms, max_ms, n, first_event_s")
    parser.add_argument("--seconds", type=float, default=CLIP_S, help="how long to run")
    parser.add_argument("--cameras", type=int, default=1, help="how many cameras play the clip at once")
    arguments = parser.parse_args()
    figures = measure(several(loader.load(demo.SITE), arguments.cameras), arguments.seconds)
    if arguments.json:
        print(json.dumps(figures))
    else:
        print(
            f"capture to readable over the API, {arguments.cameras} camera(s), {figures['n']} revisions: "
            f"median {figures['p50_ms']} ms, p95 {figures['p95_ms']} ms, longest {figures['max_ms']} ms; "
            f"first event {figures['first_event_s']} s after the pipeline's start"
        )


def several(site: Site, count: int) -> Site:
    """The site with its first camera so many times over."""
    first = site.cameras[0]
    cameras = tuple(first.model_copy(update={"id": f"{first.id}-{number}"}) for number in range(count))
    return site.model_copy(update={"cameras": cameras})


def serving(centre: SiteService) -> server.Server:
    """The centre's service on a free port of this machine."""
    service = app.create(centre.store, centre.evidence, centre.site, cameras=centre.cameras)
    return server.serve(service, "127.0.0.1", 0)


def measure(site: Site, seconds: float) -> dict[str, float]:
    """Runs the site for so long, and returns the figures."""
    offsets: dict[tuple[str, int], float] = {}
    epochs: dict[tuple[str, int], int] = {}
    read: list[tuple[str, int, float]] = []

    def watch_clock(detections: Detections) -> None:
        if detections.gap is None:
            key = (detections.camera, detections.epoch)
            offset = detections.received_at - detections.captured_at
            offsets[key] = min(offset, offsets.get(key, offset))
            epochs[detections.camera, round(detections.captured_at * 1000)] = detections.epoch

    with (
        tempfile.TemporaryDirectory() as folder,
        SiteService(site, Path(folder), run="live", live=True, also=watch_clock) as centre,
        serving(centre) as running,
    ):
        follower = threading.Thread(target=follow, args=(running.url, read), daemon=True)
        follower.start()
        began = time.time()
        threading.Timer(seconds, centre.runner.stop).start()
        centre.runner.run()
    if not read:
        raise SystemExit("no event was raised in that time: run it for longer")
    caused = [(camera, revision, arrived) for camera, revision, arrived in read if (camera, revision) in epochs]
    delays = np.array(
        [
            arrived * 1000 - revision - offsets[camera, epochs[camera, revision]] * 1000
            for camera, revision, arrived in caused
        ]
    )
    return {
        "p50_ms": round(float(np.percentile(delays, 50)), 1),
        "p95_ms": round(float(np.percentile(delays, 95)), 1),
        "max_ms": round(float(delays.max()), 1),
        "n": len(delays),
        "first_event_s": round(read[0][2] - began, 1),
    }


def follow(url: str, read: list[tuple[str, int, float]]) -> None:
    """Follows the feed; notes the camera, the revision's capture time and when its event had been read."""
    seen: set[tuple[str, int]] = set()
    with httpx.Client(base_url=url, timeout=None) as client:
        try:
            with client.stream("GET", "/v1/events/stream") as stream:
                for line in stream.iter_lines():
                    if not line.startswith("data:"):
                        continue
                    told = json.loads(line.removeprefix("data:"))
                    key = (told["id"], told.get("revision", 0))
                    if "revision" not in told or key in seen:
                        continue  # news of its evidence
                    found = client.get(f"/v1/events/{told['id']}").json()
                    if found["revision"] >= told["revision"]:
                        seen.add(key)
                        read.append((told["camera"], told["revision"], time.time()))
        except httpx.HTTPError:
            return  # the service has ended


if __name__ == "__main__":
    main()
