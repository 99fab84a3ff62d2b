"""The cluster in one command."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest
from kafka import KafkaAdminClient

from deploy.local_cluster import LocalCluster, make_site
from detectors.site import validation
from streams.sources.url import SourceUrl

NOW = 1_790_000_000.0


def test_its_cameras_show_the_clip_with_one_clock_from_different_places(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(json.dumps(make_site(4, "127.0.0.1:9092, kafka-2:9092", "lanewatch.try", NOW)), encoding="utf-8")
    site = validation.load(file)
    anchors = [SourceUrl.parse(camera.url, time_zone=site.time_zone).anchor for camera in site.cameras]
    assert site.kafka.brokers == ("127.0.0.1:9092", "kafka-2:9092")
    assert [camera.id for camera in site.cameras] == ["lane-01", "lane-02", "lane-03", "lane-04"]
    assert len({camera.latitude for camera in site.cameras}) == 4
    assert len({anchor.since for anchor in anchors if anchor is not None}) == 4
    assert len({anchor.capture_time(NOW) for anchor in anchors if anchor is not None}) == 1


@pytest.mark.slow
def test_the_demos_events_pass_all_processes_and_have_evidence(
    tmp_path: Path, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANEWATCH_KAFKA", broker)
    with LocalCluster(tmp_path, cameras=2, port=0, verbose=False) as cluster:
        url = cluster.wait()
        until = time.monotonic() + 90
        seen: list[dict[str, object]] = []
        while not seen and time.monotonic() < until:
            assert cluster.ended == []
            seen = [event for event in cluster.events() if event["evidence"]["clip"]["status"] == "ready"]
            time.sleep(0.5)
        assert seen, f"no event has its clip; see {cluster.folder / 'logs'}"
        for name in ("snapshot.jpg", "clip.mp4"):
            answer = httpx.get(f"{url}/v1/events/{seen[0]['id']}/{name}?run=live", timeout=10)
            assert answer.status_code == 200
            assert len(answer.content) > 10_000
        pids = [process.pid for process in cluster.processes.processes.values()]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with KafkaAdminClient(bootstrap_servers=broker) as admin:
        assert not [name for name in admin.list_topics() if name.startswith("lanewatch.cluster-")]
