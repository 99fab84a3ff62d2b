"""A network camera with a real RTSP server that is killed, stalled and restarted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from lanewatch import metrics
from lanewatch.records import Frame
from streams.sampling.sampler import Sampler
from streams.sources.container import Deadlines
from streams.sources.network_camera import Backoff, NetworkCamera
from streams.sources.packets import Packet, SourceEvent
from streams.sources.url import SourceUrl
from streams.video.packet_buffer import PacketBuffer

QUICK = {"deadlines": Deadlines(connect_s=5.0, read_s=1.0), "backoff": Backoff(first_s=0.05, max_s=0.2)}


def network(url: str, camera: str = "cam", **changes: Any) -> NetworkCamera:
    return NetworkCamera(camera, SourceUrl.parse(url), **{**QUICK, **changes})


def reconnects(camera: str) -> dict[str, float]:
    samples = [sample for metric in metrics.RECONNECTS.collect() for sample in metric.samples]
    return {
        sample.labels["reason"]: sample.value
        for sample in samples
        if sample.labels["camera"] == camera and sample.name.endswith("_total") and sample.value
    }


def until(
    items: Iterator[Packet | SourceEvent], condition: Callable[[Packet | SourceEvent], bool]
) -> list[Packet | SourceEvent]:
    """Reads items up to the wanted one. The test's time-out limits the wait."""
    seen = []
    for item in items:
        seen.append(item)
        if condition(item):
            break
    return seen


def is_packet(item: Packet | SourceEvent) -> bool:
    return isinstance(item, Packet)


def is_lost(item: Packet | SourceEvent) -> bool:
    return isinstance(item, SourceEvent) and item.gap == "lost"


def test_streams_with_rising_capture_times_near_the_wall_clock(rtsp) -> None:  # type: ignore[no-untyped-def]
    camera = network(rtsp.url)
    stop = threading.Event()
    items = camera.packets(stop)
    packets = [next(items) for _ in range(45)]  # three seconds, so that RTCP has reported the camera's time
    stop.set()
    now = time.time()
    times = [packet.captured_at for packet in packets if isinstance(packet, Packet)]
    assert len(times) == 45
    assert all(later > earlier for earlier, later in pairwise(times))
    assert now - 1.0 < times[-1] <= now + 0.05
    assert times[43] - times[3] == pytest.approx(40 / 14, rel=0.15)
    assert camera.state == "streaming"
    assert len({packet.epoch for packet in packets if isinstance(packet, Packet)}) == 1


def test_a_restarted_server_is_reconnected_in_a_new_epoch(rtsp) -> None:  # type: ignore[no-untyped-def]
    stop = threading.Event()
    items = network(rtsp.url, "killed").packets(stop)
    first = until(items, is_packet)[-1]
    rtsp.kill()
    until(items, is_lost)
    rtsp.start()
    again = until(items, is_packet)[-1]
    stop.set()
    assert isinstance(first, Packet)
    assert isinstance(again, Packet)
    assert again.epoch > first.epoch
    assert again.captured_at > first.captured_at
    assert again.key
    assert reconnects("killed").get("ended", 0) >= 1


def test_a_stalled_server_is_disconnected_at_the_read_deadline(rtsp) -> None:  # type: ignore[no-untyped-def]
    camera = network(rtsp.url, "hung", deadlines=Deadlines(connect_s=1.0, read_s=1.0))
    stop = threading.Event()
    items = camera.packets(stop)
    until(items, is_packet)
    rtsp.stall()
    started = time.monotonic()
    until(items, is_lost)
    assert time.monotonic() - started < 8.0  # 1 s, and what a busy machine adds
    assert camera.state == "backing_off"
    until(items, is_lost)  # a new connection gets no answer
    rtsp.resume()
    until(items, is_packet)
    stop.set()
    assert reconnects("hung")["stalled"] == 1
    assert reconnects("hung")["timeout"] >= 1


def test_the_backoff_grows_if_the_connection_is_refused() -> None:
    class RecordingBackoff(Backoff):
        waits_s: list[float] = []  # noqa: RUF012 - of this test only

        def next(self) -> float:
            self.waits_s.append(super().next())
            return 0.0

    stop = threading.Event()
    items = network("rtsp://127.0.0.1:9/clip", "refusing", backoff=RecordingBackoff(first_s=0.5, max_s=30.0)).packets(
        stop
    )
    for _ in range(9):
        assert is_lost(next(items))
    stop.set()
    assert reconnects("refusing") == {"refused": 9}
    for attempts, wait_s in enumerate(RecordingBackoff.waits_s):
        longest = min(30.0, 0.5 * 2**attempts)
        assert longest / 2 <= wait_s <= longest


def test_passwords_are_never_printed(rtsp_login, caplog) -> None:  # type: ignore[no-untyped-def]
    wrong = rtsp_login.url.replace("s3cr3t-lane", "wr0ng-s3cr3t")
    stop = threading.Event()
    camera = network(wrong, "login")
    with caplog.at_level(logging.DEBUG):
        until(camera.packets(stop), is_lost)
        assert is_packet(until(network(rtsp_login.url).packets(stop), is_packet)[-1])
    assert reconnects("login") == {"unauthorized": 1}
    assert "***@127.0.0.1" in caplog.text
    for text in (caplog.text, repr(camera._url), str(camera._url)):
        assert "s3cr3t" not in text
        assert "operator" not in text


def test_the_sampler_ticks_while_a_camera_is_lost_and_continues_afterwards(rtsp, make_camera) -> None:  # type: ignore[no-untyped-def]
    camera = make_camera(rtsp.url)
    packet_buffer = PacketBuffer()
    source = network(rtsp.url, "ticks")
    sampler = Sampler(camera, packet_buffer=packet_buffer, source=source)
    assert sampler.live
    frames = iter(sampler)
    seen = take(frames, lambda frame: frame.image is not None)
    rtsp.kill()
    seen += take(frames, lambda frame: frame.gap == "lost")
    seen += take(frames, lambda frame: frame.gap == "lost")
    before, lost = seen[-2], seen[-1]
    rtsp.start()
    seen += take(frames, lambda frame: frame.image is not None)
    sampler.close()
    assert list(frames) == []
    assert lost.captured_at - before.captured_at == pytest.approx(1.0, abs=0.5)
    assert lost.image is None
    assert seen[-1].epoch > lost.epoch
    keys = [(frame.epoch, frame.slot) for frame in seen]
    assert len(set(keys)) == len(keys)
    assert len(list(packet_buffer.hold("cam", seen[0].captured_at, seen[-1].captured_at).frames())) >= 2


def take(frames: Iterator[Frame], condition: Callable[[Frame], bool]) -> list[Frame]:
    seen = []
    for frame in frames:
        seen.append(frame)
        if condition(frame):
            break
    return seen
