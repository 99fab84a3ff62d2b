"""Throughput and latency of 40 KB frames over Kafka on this machine, compared with librdkafka.

With ``--stages`` the stages run as processes too: latency of revisions, sharing of load (``benchmarks.end_to_end``).
"""

from __future__ import annotations

import os
import uuid
from typing import Any

import numpy as np

from benchmarks import command, end_to_end
from benchmarks.kafka_clients import QUALITY, SIZE, Client, Load, transfer
from deploy.kafka_server import running_broker
from streams.kafka.client.connection import Broker
from streams.kafka.client.settings import FRAME_FETCH, FRAME_SEND
from streams.kafka.client.topics import Topics, ensure_topics

CAMERAS = 700
PARTITIONS = 8
PACE = 700.0
PACED_SHARE = 0.5
STAGES_S, SHARING_S = 110.0, 20.0


def main() -> None:
    """Prints the figures, with ``--json`` as an object."""
    parser = command.parser(__doc__, "frames_per_s, librdkafka_ratio, p95_ms, ...")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the sustained run")
    parser.add_argument("--partitions", type=int, default=PARTITIONS, help="of the frames topic")
    parser.add_argument("--stages", action="store_true", help="the stages too: revision_p95_s, spread, second_worker")
    options = parser.parse_args()
    with running_broker() as address:
        figures = measure(address, options.seconds, options.partitions)
        if options.stages:
            figures |= end_to_end.revision(address, STAGES_S) | end_to_end.sharing(address, SHARING_S)
    command.show(figures, lambda figures: table(figures, options.seconds, options.partitions), options.json)


def table(figures: dict[str, Any], seconds: float, partitions: int) -> str:
    """The figures as text."""
    text = (
        f"{CAMERAS} cameras, JPEG {SIZE[0]}x{SIZE[1]} at quality {QUALITY} ({figures['mean_bytes'] / 1000:.1f} KB), "
        f"{partitions} partitions, {os.cpu_count()} cores, broker included\n"
        f"send: acks 1, batches of {FRAME_SEND['batch_size'] >> 10} KB, linger {FRAME_SEND['linger_ms']} ms; "
        f"fetch: {FRAME_FETCH['fetch_max_bytes'] >> 20} MB, checksums on\n"
        f"unlimited rate, {seconds:g} s: {figures['frames_per_s']:.0f} frames/s "
        f"(slowest five seconds {figures['least_per_s']:.0f}); lost {figures['dropped']:.0f}\n"
        f"librdkafka before and after: {figures['librdkafka_per_s']:.0f} frames/s; "
        f"ratio {figures['librdkafka_ratio']:.2f}\n"
        f"peak resident memory: producer {figures['producer_mb']:.0f} MB, consumer {figures['consumer_mb']:.0f} MB\n"
        f"cores: producer {figures['producer_cores']:.2f}, consumer {figures['consumer_cores']:.2f}\n"
        f"at {PACE:.0f} frames/s, from send to decoded frame: median {figures['p50_ms']} ms, "
        f"p95 {figures['p95_ms']} ms, longest {figures['max_ms']} ms"
    )
    if "revisions" in figures:
        text += (
            f"\n{end_to_end.CAMERAS} cameras at {end_to_end.FPS} frames/s, bundled detector, from capture to the API, "
            f"{figures['revisions']} revisions: "
            f"median {figures['revision_p50_s']} s, p95 {figures['revision_p95_s']} s, "
            f"longest {figures['revision_max_s']} s; shed {figures['shed']:.0f}\n"
            f"{end_to_end.SIMULATED} cameras, a double of {end_to_end.PICTURE_S * 1000:g} ms a picture: one worker "
            f"{figures['one_per_s']}/s, two {figures['two_per_s']}/s, {figures['second_worker']} times; load of two "
            f"workers apart by {figures['spread']:.0%}, of two watchers by {figures['watch_spread']:.0%}"
        )
    return text


def measure(address: str, seconds: float, partitions: int) -> dict[str, float]:
    """Does all runs, one after the other, each with its own topics; returns the figures of ``--json``."""
    half = seconds / 2
    before = _run("librdkafka", address, partitions, None, half)
    ours = _run("lanewatch", address, partitions, None, seconds)
    after = _run("librdkafka", address, partitions, None, half)
    paced = _run("lanewatch", address, partitions, PACE, seconds * PACED_SHARE)
    theirs = float(np.mean([before["frames_per_s"], after["frames_per_s"]]))
    names = ("frames_per_s", "least_per_s", "producer_mb", "consumer_mb", "producer_cores", "consumer_cores")
    return (
        {name: ours[name] for name in (*names, "mean_bytes", "dropped")}
        | {"librdkafka_per_s": round(theirs), "librdkafka_ratio": round(ours["frames_per_s"] / theirs, 3)}
        | {name: paced[name] for name in ("p50_ms", "p95_ms", "max_ms")}
    )


def _run(client: Client, address: str, partitions: int, rate: float | None, seconds: float) -> dict[str, float]:
    load = Load(address, f"benchmark-{uuid.uuid4().hex[:8]}", partitions, CAMERAS, rate, seconds)
    broker, topics = Broker(load.site, "benchmark", {}), Topics(load.site)
    ensure_topics(broker, topics)
    try:
        return transfer(client, load)
    finally:
        with broker.open_admin() as admin:
            admin.delete_topics([topic.name for topic in topics.all])


if __name__ == "__main__":
    main()
