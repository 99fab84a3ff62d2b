from __future__ import annotations

import cv2
import httpx
import numpy as np
import pytest

from api.event_sink import EventSink
from api.evidence.scheduler import EvidenceScheduler
from api.storage.event_store import EventStore
from tests.api.conftest import Serving
from tests.api.event_factory import BEGIN, Feeder, after, make_event, reached


@pytest.fixture
def shown(intake: EventSink, evidence: EvidenceScheduler, feeder: Feeder, serving: Serving) -> httpx.Client:
    """A service with one event, whose evidence is there."""
    feeder.until(31)
    event = make_event()
    intake.upsert(event)
    intake.upsert(after(event, 2, state="closed", ended_at=BEGIN + 21))
    intake.advance("lane", reached(BEGIN + 30))
    assert evidence.wait()
    return serving(evidence)


def picture(client: httpx.Client, path: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    decoded = cv2.imdecode(np.frombuffer(client.get(path).content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, np.int16)


def test_the_box_is_drawn_where_it_is(shown: httpx.Client) -> None:
    drawn = picture(shown, "/v1/events/e-1/snapshot.jpg")
    plain = picture(shown, "/v1/events/e-1/snapshot.jpg?plain=1")
    changed = np.abs(drawn - plain).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert (columns.min(), rows.min()) == pytest.approx((300, 200), abs=5)
    assert (columns.max(), rows.max()) == pytest.approx((360, 380), abs=5)
    assert not changed[215:365, 315:345].any()  # the one inside is not painted over


def test_a_clip_is_served_in_parts(shown: httpx.Client) -> None:
    whole = shown.get("/v1/events/e-1/clip.mp4")
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["accept-ranges"] == "bytes"
    part = shown.get("/v1/events/e-1/clip.mp4", headers={"Range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.content == whole.content[100:200]
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    beyond = shown.get("/v1/events/e-1/clip.mp4", headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416


def test_a_clip_can_begin_to_play_before_it_is_all_there(shown: httpx.Client) -> None:
    content = shown.get("/v1/events/e-1/clip.mp4").content
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_every_look_leaves_a_row(shown: httpx.Client, store: EventStore) -> None:
    shown.get("/v1/events/e-1")  # no footage
    shown.get("/v1/events/e-1/snapshot.jpg")
    shown.get("/v1/events/e-1/snapshot.jpg?plain=1")
    shown.get("/v1/events/e-1/clip.mp4", headers={"Range": "bytes=5-9"})
    looks = shown.get("/v1/audit").json()["looks"]
    assert [(look["what"], look["detail"]) for look in looks] == [
        ("clip", "bytes=5-9"),
        ("snapshot", "plain"),
        ("snapshot", ""),
    ]
    assert {(look["who"], look["address"], look["camera"], look["id"]) for look in looks} == {
        ("local", "127.0.0.1", "lane", "e-1")
    }
    assert looks[0]["looked_at"].endswith("Z")


def test_a_claimed_address_does_not_enter_the_audit(shown: httpx.Client) -> None:
    shown.get("/v1/events/e-1/snapshot.jpg", headers={"X-Forwarded-For": "198.51.100.7"})
    assert shown.get("/v1/audit").json()["looks"][0]["address"] == "127.0.0.1"


def test_what_cannot_be_written_down_is_not_shown(shown: httpx.Client, store: EventStore) -> None:
    with store._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit RENAME TO gone")
    for path in ("snapshot.jpg", "clip.mp4"):
        answer = shown.get(f"/v1/events/e-1/{path}")
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")


def test_pictures_that_are_to_come_say_so(store: EventStore, evidence: EvidenceScheduler, serving: Serving) -> None:
    store.upsert(make_event())
    answer = serving(evidence).get("/v1/events/e-1/clip.mp4")
    assert (answer.status_code, answer.json()["code"]) == (404, "evidence_pending")
    assert answer.headers["retry-after"] == "1"
    assert store.looks() == []


def test_pictures_that_failed_say_why(intake: EventSink, evidence: EvidenceScheduler, serving: Serving) -> None:
    intake.upsert(make_event())  # the ring is empty
    assert evidence.wait()
    answer = serving(evidence).get("/v1/events/e-1/snapshot.jpg")
    assert (answer.status_code, answer.json()["code"]) == (404, "evidence_failed")
    assert "out_of_reach" in answer.json()["message"]


def test_pictures_that_were_destroyed_say_so(shown: httpx.Client, evidence: EvidenceScheduler) -> None:
    for file in evidence.folder.glob("**/*.mp4"):
        file.unlink()
    answer = shown.get("/v1/events/e-1/clip.mp4")
    assert (answer.status_code, answer.json()["code"]) == (410, "evidence_gone")


def test_a_hostile_id_or_run_stays_within_the_folder(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(21)
    for run in ("../../../escape", "/etc", "..", "a\x00b"):
        intake.upsert(make_event("../../x", run=run))
    assert evidence.wait()
    inside = set(evidence.folder.parent.glob("**/*.jpg"))
    assert len(inside) == 4
    assert all(file.parent.parent == evidence.folder for file in inside)


def test_a_bells_picture_is_of_the_moment_of_the_press(
    intake: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder, serving: Serving
) -> None:
    feeder.until(20)
    cameras = intake._cameras
    assert cameras is not None
    cameras.advance("lane", reached(BEGIN + 20))
    event = serving(evidence, cameras=cameras).post("/v1/bells/b-2", json={}).json()
    assert evidence.wait()
    snapshot = store.exhibits("live", event["id"]).snapshot
    assert snapshot.status == "ready"
    assert snapshot.started_at == pytest.approx(BEGIN + 20, abs=1)
