from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.in_process_service import InProcessService
from api.storage.data_directory import DataDirectory
from api.storage.event_store import EventStore
from api.storage.pagination import EventFilter
from detectors import pipeline
from detectors.evaluation.matching import Instant, match
from detectors.evaluation.truth_file import truths
from detectors.site import validation
from lanewatch import demo
from lanewatch.config.site import Site
from tests import light
from tests.api.event_factory import BEGIN, make_event

START_S = 60.0
"""The first event is on the page within this time, on an old or busy machine too. ``benchmarks.start`` measures it."""


def lanewatch(
    *arguments: str | Path,
    timeout_s: float = 550,
    start: tuple[str, ...] = ("-m", "lanewatch"),
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *start, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=os.environ | dict(environment or {}),
    )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The demo, played once where none of the extras is installed: its folder and its events."""
    folder = tmp_path_factory.mktemp("demo")
    done = lanewatch("demo", "--once", "--json", "--quiet", "--data", folder, start=("-c", light.COMMAND))
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "demo", [json.loads(line) for line in done.stdout.splitlines()]


def without_run(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in event.items() if key != "run"} for event in events]


def test_demo_finds_what_the_labels_say(played: tuple[Path, list[dict[str, Any]]]) -> None:
    raised = [Instant((e["camera"], e["kind"], e["zone"]), e["started_at"]) for e in played[1]]
    assert match(raised, truths(demo.TRUTH)).f1 >= 0.9


NETWORKS = [
    ("nanodet-g", ""),
    ("nanodet-g", "AVX2"),
    pytest.param("nanodet-g-float32", "", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("network", "instructions"), NETWORKS)
def test_demo_raises_nothing_false_on_any_processor(
    network: str, instructions: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Scores differ in the third digit between a processor with AVX2, one with AVX-512, and float32."""
    if (network, instructions) == NETWORKS[0]:
        events = request.getfixturevalue("played")[1]
    else:
        text = demo.SITE.read_text(encoding="utf-8").replace("file:clip.mp4", f"file:{demo.CLIP}")
        copy = tmp_path / "site.yaml"
        copy.write_text(f"{text}\ndetector: {{name: {network}, device: cpu}}\n", encoding="utf-8")
        limit = {"ONEDNN_MAX_CPU_ISA": instructions} if instructions else {}
        done = lanewatch("rescore", demo.CLIP, "--site", copy, "--json", "--quiet", environment=limit)
        assert (done.returncode, done.stderr) == (0, "")
        events = [json.loads(line) for line in done.stdout.splitlines()]
    raised = [Instant((e["camera"], e["kind"], e["zone"]), e["started_at"]) for e in events]
    found = match(raised, truths(demo.TRUTH))
    assert len(found.pairs) >= 8
    assert not found.false


def test_the_worked_example_of_the_docs(played: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    """docs/evaluation.md: its commands, run on the output of the first one, print the table's counts."""
    root = Path(__file__).parents[2]
    text = (root / "docs" / "evaluation.md").read_text(encoding="utf-8")
    listed = text.partition("<!-- this example is checked by the tests -->")[2].split("```")[1].strip().splitlines()
    assert listed[0] == "lanewatch demo --once --json --data var > events.jsonl"
    folder, events = played
    lines = tmp_path / "events.jsonl"
    lines.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    places = {
        "events.jsonl": lines,
        "var/demo/detections": folder / "detections",
        "lanewatch/demo/expected.yaml": demo.TRUTH,
        "lanewatch/demo/site.yaml": demo.SITE,
        "report": tmp_path / "report",
    }
    outputs = []
    for line in listed[1:]:
        words = line.split()[1:]
        done = lanewatch(*(places.get(word, word) for word in words), "--quiet")
        assert (done.returncode, done.stderr) == (0, "")
        outputs.append(done.stdout)
    row = next(line for line in text.splitlines() if line.startswith("| all |"))
    assert row in outputs[0]
    assert "| night | 9 |" in outputs[1]
    assert (tmp_path / "report" / "miss-rate.png").exists()


def test_every_event_explains_itself(played: tuple[Path, list[dict[str, Any]]]) -> None:
    for event in played[1]:
        assert sum(factor["value"] for factor in event["factors"]) == pytest.approx(event["score"])
        assert event["sentence"]["ko"]
        assert event["sentence"]["en"]
        assert event["thresholds"]


def test_archived_detections_give_the_same_events(played: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, events = played
    done = lanewatch("rescore", folder / "detections", "--site", demo.SITE, "--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    again = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["run"] for event in again} == {"rescore"}
    assert without_run(again) == without_run(events)


def test_the_clip_gives_the_same_events_by_interval(played: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    copy = tmp_path / "archived.mp4"  # another file, which needs --clock
    shutil.copy(demo.CLIP, copy)
    done = lanewatch("rescore", copy, "--site", demo.SITE, "--clock", "2026-01-15T02:00:00+09:00", "--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    again = [json.loads(line) for line in done.stdout.splitlines()]
    spans = [(e["kind"], e["zone"], e["started_at"], e["updated_at"]) for e in played[1]]
    for event, (kind, zone, started_at, updated_at) in zip(again, spans, strict=True):
        assert (event["kind"], event["zone"]) == (kind, zone)
        assert event["started_at"] == pytest.approx(started_at, abs=0.5)
        assert event["updated_at"] == pytest.approx(updated_at, abs=0.5)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running demo and its URL."""
    command = [sys.executable, "-m", "lanewatch", "demo", "--port", "0", "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield process, next(word for word in line.split() if word.startswith("http://"))
        finally:
            process.kill()


def test_demo_shows_its_first_event_in_time_and_ends_by_sigterm(live: tuple[subprocess.Popen[str], str]) -> None:
    process, url = live
    began = time.monotonic()
    with httpx.Client(base_url=url, timeout=30) as client:
        with client.stream("GET", "/v1/events/stream") as stream:
            message = next(line for line in stream.iter_lines() if line.startswith("data:"))
        assert time.monotonic() - began < START_S
        event = client.get(f"/v1/events/{json.loads(message[5:])['id']}").json()
        assert event["kind"] == "loitering"
        assert "text/html" in client.get("/").headers["content-type"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_each_event_is_printed_when_it_is_raised(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "lanewatch", "demo", "--once", "--data", str(tmp_path), "--language", "en"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert process.poll() is None
        finally:
            process.kill()
    assert line.split()[1] == "02:00:11"
    assert "loitering  junction lamp post" in line


def site(tmp_path: Path, *urls: str) -> Path:
    cameras = "\n".join(
        f"  - {{id: cam-{number}, name: {{ko: 카메라, en: camera}}, url: '{url}', latitude: 36.8, longitude: 126.4}}"
        for number, url in enumerate(urls)
    )
    file = tmp_path / "site.yaml"
    file.write_text(f"version: 1\nname: {{ko: 시험, en: test}}\ncameras:\n{cameras}\n", encoding="utf-8")
    return file


def test_a_file_that_is_not_a_video_ends_only_its_camera(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("not a video")
    good = f"{demo.CLIP}?clock=2026-01-15T02:00:00%2B09:00"
    done = lanewatch("run", site(tmp_path, "notes.mp4", good), "--once", "--data", tmp_path / "var")
    assert done.returncode == 1
    assert "notes.mp4" in done.stderr
    assert int(done.stdout.split(" frames")[0].split()[-1]) > 500  # 113 s at 5 frames a second


@pytest.mark.parametrize(
    ("urls", "message"),
    [
        (["rtsp://10.0.0.1/stream"], "never ends"),  # a live camera cannot be played once
        (["gone.mp4"], "gone.mp4"),  # no such file
    ],
)
def test_sources_that_cannot_be_played_once_are_reported(tmp_path: Path, urls: list[str], message: str) -> None:
    done = lanewatch("run", site(tmp_path, *urls), "--once", "--data", tmp_path / "var")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_reported_and_nothing_is_lost(tmp_path: Path) -> None:
    earlier = tmp_path / "demo" / "events.db"
    earlier.parent.mkdir()
    earlier.write_text("events of an earlier demo")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = lanewatch("demo", "--port", str(port), "--data", tmp_path)
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr
    assert earlier.read_text() == "events of an earlier demo"


def test_a_folder_is_used_by_one_process_at_a_time(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "demo"):
        done = lanewatch("demo", "--once", "--data", tmp_path)
    assert done.returncode == 1
    assert str(tmp_path / "demo") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_a_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"not a database" * 1000)
    done = lanewatch("run", demo.SITE, "--once", "--data", tmp_path)
    assert done.returncode == 1
    assert "events.db" in done.stderr
    assert "Traceback" not in done.stderr


def test_open_events_of_an_earlier_process_expire_without_an_end(tmp_path: Path) -> None:
    with contextlib.closing(EventStore(tmp_path / "events.db")) as store:
        store.upsert(make_event("left", state="updated"))
        store.upsert(make_event("over", state="closed", ended_at=BEGIN + 21))
    site = pipeline.as_recordings(validation.load(demo.SITE))
    with InProcessService(site, tmp_path, run="live", live=True) as in_process:
        left, over = in_process.store.event("left"), in_process.store.event("over")
    assert left is not None
    assert over is not None
    assert (left.event.state, left.event.ended_at) == ("expired", None)
    assert (over.event.state, over.event.ended_at) == ("closed", BEGIN + 21)


def test_a_camera_that_stays_lost_is_one_event_over_restarts(tmp_path: Path) -> None:
    """Its signal is lost, the process ends, and the next process finds it lost as well."""
    lost = {"id": "lane", "name": {"ko": "골목", "en": "Lane"}, "url": "rtsp://127.0.0.1:9/1"}  # port 9 refuses
    place = {"latitude": 36.1, "longitude": 128.1}
    behaviours = {"signal_lost": {"thresholds": {"hold_s": 1, "alert_s": 3}}}
    site = Site.model_validate(
        {"name": {"ko": "마을", "en": "Village"}, "cameras": [lost | place], "behaviours": behaviours}
    )
    revisions = []
    for _ in range(2):
        with InProcessService(site, tmp_path, run="live", live=True) as in_process:
            changed = threading.Event()
            in_process.store.listen(lambda change, changed=changed: changed.set())  # type: ignore[misc]
            running = threading.Thread(target=in_process.runner.run)
            running.start()
            assert changed.wait(60)
            in_process.runner.stop()
            running.join()
            revisions.append([stored.event for stored in in_process.store.page(EventFilter()).events])
    (first,), (second,) = revisions
    assert (first.kind, second.kind, second.state) == ("signal_lost", "signal_lost", "updated")
    assert (first.id, first.began_at) == (second.id, second.began_at)
    assert second.updated_at > first.updated_at


def test_without_a_token_only_loopback_is_allowed(tmp_path: Path) -> None:
    os.environ.pop("LANEWATCH_TOKEN", None)
    done = lanewatch("demo", "--host", "0.0.0.0", "--port", "0", "--data", tmp_path)
    assert done.returncode == 1
    assert "LANEWATCH_TOKEN" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing-here", "--site", str(demo.SITE)], "nothing-here"),  # no such source
        ([str(demo.CLIP), "--site", "no-site.yaml"], "no-site.yaml"),  # no such site
        ([str(demo.CLIP), "--site", str(demo.SITE), "--camera", "lane-99"], "lane-99"),  # no such camera
    ],
)
def test_rescore_reports_what_is_missing(arguments: list[str], message: str) -> None:
    done = lanewatch("rescore", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_rescore_names_the_line_of_an_unknown_behaviour(tmp_path: Path) -> None:
    """It needs no camera in the site file, because archived detections and other footage need none."""
    site = tmp_path / "site.yaml"
    text = demo.SITE.read_text(encoding="utf-8").partition("\nbehaviours:")[0] + "\nbehaviours:\n  loitring: {}\n"
    site.write_text(text, encoding="utf-8")
    done = lanewatch("rescore", str(demo.CLIP), "--site", str(site))
    assert done.returncode == 1
    line = text.splitlines().index("  loitring: {}") + 1
    assert f"{site}:{line}: unknown behaviour loitring; did you mean `loitering`?" in done.stderr
    assert done.stderr.count(str(site)) == 1
