"""A camera that misbehaves beside cameras that don't: it stalls, sends garbage, changes its size, jumps its clock."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import av.error
from av.video.frame import VideoFrame

from benchmarks.chaos.cluster import FPS, Listener, fresh, site, town, waited
from benchmarks.chaos.live import RATE, start

HEALTHY = 3
CALM_S = 40.0
TROUBLE_S = 80.0
WELL_S = 4.0
"""How long the troubled camera behaves after each connection, before it does what it does."""

TROUBLES = ("stall", "garbage", "size", "clock")
STALL_S = 12.0
JUMP_S = 7200.0
WITHIN = 0.05


class Trouble:
    """An HTTP camera (MPEG-TS) of its own port; well until ``begin``, then each connection is another trouble."""

    def __init__(self, clip: Path) -> None:
        self.seen: list[str] = []
        self._frames = _pictures(clip)
        self._kinds = itertools.cycle(TROUBLES)
        self._begun = threading.Event()
        trouble = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()
                try:
                    trouble._serve(self.wfile)
                except (OSError, av.error.FFmpegError):
                    self.close_connection = True  # the sampler hung up

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/lane"
        threading.Thread(target=self._server.serve_forever, name="trouble", daemon=True).start()

    def begin(self) -> None:
        """Begins to misbehave."""
        self._begun.set()

    def close(self) -> None:
        """Hangs up."""
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
                draw = random.Random(len(self.seen))
                for _ in range(30):
                    out.write(draw.randbytes(50_000))
                    time.sleep(0.1)
                return
            size, shift = ((640, 360), 0.0) if kind == "size" else ((768, 576), JUMP_S)
            self._play(out, size, shift, WELL_S)

    def _play(self, out: Any, size: tuple[int, int], shift: float, for_s: float | None) -> None:
        """Plays for a time, at least ``WELL_S``; without one until the trouble begins."""
        with av.open(_Writer(out), "w", format="mpegts") as muxed:
            stream = muxed.add_stream("libx264", rate=int(FPS), options={"preset": "ultrafast", "tune": "zerolatency"})
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.codec_context.gop_size = int(FPS)
            begun = time.monotonic()
            for number, picture in enumerate(itertools.cycle(self._frames)):
                at = number / FPS
                time.sleep(max(0.0, begun + at - time.monotonic()))
                copy = picture.reformat(*size, format="yuv420p")
                copy.pts = round((shift + at) * 90_000)
                copy.time_base = Fraction(1, 90_000)
                for packet in stream.encode(copy):
                    muxed.mux(packet)
                if (self._begun.is_set() if for_s is None else at >= for_s) and at >= WELL_S:
                    return


class _Writer:
    """What PyAV writes to; it cannot seek."""

    def __init__(self, out: Any) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        self._out.write(data)
        self._out.flush()
        return len(data)


def _pictures(clip: Path) -> list[VideoFrame]:
    with av.open(str(clip)) as opened:
        return list(itertools.islice(opened.decode(video=0), 200))


@contextmanager
def _troubled(clip: Path) -> Iterator[Trouble]:
    camera = Trouble(clip)
    try:
        yield camera
    finally:
        camera.close()


def measure(folder: Path, clip: Path, address: str) -> dict[str, Any]:
    """The healthy cameras' pictures a second, calm and beside the trouble.

    Returns:
        ``rates``: by camera, calm and troubled; ``worst``: the largest change; ``seen``: the troubles that were had.
    """
    with _troubled(clip) as trouble:
        url = f"file:{clip}?loop=1&pace=live&fps={FPS:g}"
        healthy = site(fresh(), url, HEALTHY + 1, fps=RATE)
        cameras = list(healthy.cameras)
        cameras[-1] = cameras[-1].model_copy(update={"url": trouble.url})
        what = healthy.model_copy(update={"cameras": tuple(cameras)})
        names = [camera.id for camera in cameras[:-1]]
        with town(folder / "trouble", what, address) as here:
            start(here)
            with Listener(here) as listener:
                waited(lambda: len(listener.reached) == len(cameras), 90, "every camera is judged")
                time.sleep(5.0)
                calm = _rates(listener, names, CALM_S)
                trouble.begin()
                troubled = _rates(listener, names, TROUBLE_S)
            reasons = {name: _counted(here.metrics(name)) for name in ("sample-1", "sample-2")}
    rates = {name: {"calm": calm[name], "troubled": troubled[name]} for name in names}
    worst = max(abs(one["troubled"] / one["calm"] - 1) for one in rates.values())
    return {"rates": rates, "worst": worst, "seen": sorted(set(trouble.seen)), "counted": reasons}


def _rates(listener: Listener, names: list[str], seconds: float) -> dict[str, float]:
    """Pictures a second of capture time, over so many seconds from now on."""
    first = {name: len(listener.reached[name]) for name in names}
    time.sleep(seconds)
    rates = {}
    for name in names:
        marks = [one for _, one in listener.reached[name][first[name] :]]
        # The last mark closes the span; its pictures lie within, the first one's before.
        rates[name] = sum(one.pictures for one in marks[1:]) / (marks[-1].captured_at - marks[0].captured_at)
    return rates


def _counted(samples: dict[str, float]) -> dict[str, float]:
    wanted = ("lanewatch_dropped_total", "lanewatch_reconnects_total", "lanewatch_epochs_total")
    return {key: value for key, value in samples.items() if key.startswith(wanted) and value}
