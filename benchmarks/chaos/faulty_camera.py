"""A faulty camera beside healthy ones: it stalls, sends garbage, changes its picture size, sets its clock."""

from __future__ import annotations

import itertools
import random
import threading
import time
from contextlib import closing
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import av.error

from benchmarks.chaos.cluster_under_test import FPS, Listener, new_prefix, running_cluster, site, wait_until
from benchmarks.chaos.live import RATE, start
from lanewatch.demo import CLIP

HEALTHY = 3
CALM_S = 40.0
TROUBLE_S = 80.0
HEALTHY_S = 4.0
"""How long the faulty camera works after each connection, before its fault."""
FAULTS = ("stall", "garbage", "size", "clock")
STALL_S = 12.0
JUMP_S = 7200.0
TOLERANCE = 0.05
"""Of the healthy cameras' rates."""


class FaultyCamera:
    """An HTTP camera (MPEG-TS). Once ``faults_started`` is set, each connection has the next fault."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        with av.open(str(CLIP)) as opened:
            self._frames = list(itertools.islice(opened.decode(video=0), 200))
        self._kinds = itertools.cycle(FAULTS)
        self.faults_started = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()
                try:
                    camera._serve(self.wfile)
                except (OSError, av.error.FFmpegError):
                    self.close_connection = True  # the sampler hung up

            def log_message(self, *_: object) -> None:
                """Logs nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/lane"
        threading.Thread(target=self._server.serve_forever, name="faulty-camera", daemon=True).start()

    def close(self) -> None:
        """Closes the connections."""
        self._server.shutdown()

    def _serve(self, out: Any) -> None:
        self._play(out, (768, 576), 0.0, None)
        while True:
            kind = next(self._kinds)
            self.seen.append(kind)
            if kind == "stall":
                time.sleep(STALL_S)
                return
            if kind == "garbage":
                rng = random.Random(len(self.seen))
                for _ in range(30):
                    out.write(rng.randbytes(50_000))
                    time.sleep(0.1)
                return
            size, shift = ((640, 360), 0.0) if kind == "size" else ((768, 576), JUMP_S)
            self._play(out, size, shift, HEALTHY_S)

    def _play(self, out: Any, size: tuple[int, int], shift: float, for_s: float | None) -> None:
        """Plays for ``for_s``; if None, until the faults start. At least ``HEALTHY_S`` in both cases."""
        output = SimpleNamespace(write=out.write)  # PyAV's output, which cannot seek
        with av.open(output, "w", format="mpegts") as muxed:
            stream = muxed.add_stream("libx264", rate=int(FPS), options={"preset": "ultrafast", "tune": "zerolatency"})
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.codec_context.gop_size = int(FPS)
            started = time.monotonic()
            for number, picture in enumerate(itertools.cycle(self._frames)):
                at = number / FPS
                time.sleep(max(0.0, started + at - time.monotonic()))
                copy = picture.reformat(*size, format="yuv420p")
                copy.pts = round((shift + at) * 90_000)
                copy.time_base = Fraction(1, 90_000)
                for packet in stream.encode(copy):
                    muxed.mux(packet)
                if (self.faults_started.is_set() if for_s is None else at >= for_s) and at >= HEALTHY_S:
                    return


def measure(folder: Path, address: str) -> dict[str, Any]:
    """The healthy cameras' pictures a second, without and with the faults; ``worst`` is the largest change."""
    with closing(FaultyCamera()) as faulty:
        url = f"file:{CLIP}?loop=1&pace=live&fps={FPS:g}"
        healthy = site(new_prefix(), url, HEALTHY + 1, fps=RATE)
        cameras = list(healthy.cameras)
        cameras[-1] = cameras[-1].model_copy(update={"url": faulty.url})
        mixed = healthy.model_copy(update={"cameras": tuple(cameras)})
        names = [camera.id for camera in cameras[:-1]]
        with running_cluster(folder / "trouble", mixed, address) as cluster:
            start(cluster)
            with Listener(cluster) as listener:
                wait_until(lambda: len(listener.watermarks) == len(cameras), 90, "every camera has a watermark")
                time.sleep(5.0)
                calm = _rates(listener, names, CALM_S)
                faulty.faults_started.set()
                troubled = _rates(listener, names, TROUBLE_S)
            reasons = {name: _counted(cluster.metrics(name)) for name in ("sample-1", "sample-2")}
    rates = {name: {"calm": calm[name], "troubled": troubled[name]} for name in names}
    worst = max(abs(rate["troubled"] / rate["calm"] - 1) for rate in rates.values())
    return {"rates": rates, "worst": worst, "seen": sorted(set(faulty.seen)), "counted": reasons}


def _rates(listener: Listener, names: list[str], seconds: float) -> dict[str, float]:
    """Pictures a second of capture time, over the next ``seconds``."""
    first = {name: len(listener.watermarks[name]) for name in names}
    time.sleep(seconds)
    rates = {}
    for name in names:
        watermarks = [watermark for _, watermark in listener.watermarks[name][first[name] :]]
        # The pictures of the first watermark lie before the span.
        pictures = sum(watermark.pictures for watermark in watermarks[1:])
        rates[name] = pictures / (watermarks[-1].captured_at - watermarks[0].captured_at)
    return rates


def _counted(samples: dict[str, float]) -> dict[str, float]:
    counters = ("lanewatch_dropped_total", "lanewatch_reconnects_total", "lanewatch_epochs_total")
    return {key: value for key, value in samples.items() if key.startswith(counters) and value}
