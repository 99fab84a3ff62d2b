"""All stages as processes, while a topic is deleted, or the broker comes back with an empty disk."""

from __future__ import annotations

import json
import re
import shutil
import time
import urllib.request
from pathlib import Path

import pytest

from deploy.kafka_server import BrokerProcess
from deploy.local_cluster import make_site
from deploy.process_group import ProcessGroup
from lanewatch.config import loader
from streams.kafka.client.connection import Broker
from tests.streams.kafka.kafka_site import until

STAGES = ("sample", "detect", "watch", "correlate", "serve", "keep")
START_S = 240.0
NOTICE_S = 60.0
END_S = 25.0
"""A sampler waits for up to 10 s for a successor; a loaded machine is slow."""

LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) lanewatch")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("lost", ["frames", "events", "site", "disk"])
def test_every_stage_names_the_topic_and_continues(tmp_path: Path, lost: str) -> None:
    with BrokerProcess(tmp_path / "broker", heap="256m") as process:
        file = tmp_path / "site.yaml"
        content = make_site(1, process.address, "lanewatch.lost", time.time(), rate=2.0)
        file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        site = loader.load(file, resolve=False)
        broker = Broker(site, "test", {})
        with ProcessGroup(tmp_path / "logs") as processes:
            for stage in STAGES:
                folder = ["--data", str(tmp_path / "data" / stage)] if stage in ("serve", "keep") else []
                port = ["--port", "0"] if stage == "serve" else []
                processes.start(stage, stage, str(file), "--node", stage, *folder, *port)

            def log(stage: str) -> str:
                path = processes[stage].log
                return path.read_text(encoding="utf-8") if path.exists() else ""

            def events() -> int:
                found = re.search(r"http://127\.0\.0\.1:\d+", log("serve"))
                if found is None:
                    return 0
                with urllib.request.urlopen(f"{found[0]}/v1/events?limit=200", timeout=10) as response:
                    return len(json.load(response)["events"])

            def lose() -> None:
                if lost == "disk":
                    process.kill()
                    shutil.rmtree(tmp_path / "broker")
                    process.start()
                    return
                with broker.open_admin() as admin:
                    admin.delete_topics([f"lanewatch.lost.{lost}"])

            until(lambda: events() >= 1, "an event", START_S)
            lose()
            name = f"lanewatch.lost.{'frames' if lost == 'disk' else lost}"
            line = re.compile(f"created anew, because they were missing: .*{re.escape(name)}")
            until(lambda: all(line.search(log(stage)) for stage in STAGES), "every stage names the topic", NOTICE_S)
            before = events()
            until(lambda: events() > before, "more events", START_S)
            lose()
            for stage in STAGES:
                processes[stage].end()
            assert {stage: processes[stage].wait(END_S) for stage in STAGES} == dict.fromkeys(STAGES, 0)
            for stage in STAGES:
                lines = [line for line in log(stage).splitlines() if "http://" not in line]
                assert [line for line in lines if not LOG_LINE.match(line)] == []
                texts = [re.sub(r"\d+", "N", line[24:]) for line in lines]
                assert all(texts.count(text) <= 12 for text in texts), "a line repeats once a minute"
