from __future__ import annotations

import cv2
import httpx
import msgspec
import numpy as np
import pytest
from starlette.requests import Request

from api.auth import IDENTITY_KEY
from api.event_sink import EventSink
from api.evidence.scheduler import EvidenceScheduler
from api.routes.audit import ThumbnailPages
from api.storage.event_store import EventStore
from tests.api.conftest import StartService
from tests.api.event_factory import BEGIN, Feeder, after, make_event, watermark


@pytest.fixture
def client(
    event_sink: EventSink, evidence: EvidenceScheduler, feeder: Feeder, start_service: StartService
) -> httpx.Client:
    """A service with one event and its complete evidence."""
    feeder.until(31)
    event = make_event()
    event_sink.upsert(event)
    event_sink.upsert(after(event, 2, state="closed", ended_at=BEGIN + 21))
    event_sink.advance("lane", watermark(BEGIN + 30))
    assert evidence.wait_until_idle()
    return start_service(evidence)


def image_at(client: httpx.Client, path: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    decoded = cv2.imdecode(np.frombuffer(client.get(path).content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, np.int16)


def test_the_box_is_drawn_around_the_person(client: httpx.Client) -> None:
    drawn = image_at(client, "/v1/events/e-1/snapshot.jpg")
    plain = image_at(client, "/v1/events/e-1/snapshot.jpg?plain=1")
    changed = np.abs(drawn - plain).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert (columns.min(), rows.min()) == pytest.approx((300, 200), abs=5)
    assert (columns.max(), rows.max()) == pytest.approx((360, 380), abs=5)
    assert not changed[215:365, 315:345].any()  # the person inside the box is not covered


def test_a_clip_supports_range_requests(client: httpx.Client) -> None:
    whole = client.get("/v1/events/e-1/clip.mp4")
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["accept-ranges"] == "bytes"
    part = client.get("/v1/events/e-1/clip.mp4", headers={"Range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.content == whole.content[100:200]
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    beyond = client.get("/v1/events/e-1/clip.mp4", headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416


def test_a_clip_can_play_before_it_is_loaded(client: httpx.Client) -> None:
    content = client.get("/v1/events/e-1/clip.mp4").content
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_every_access_writes_an_audit_row(client: httpx.Client, store: EventStore) -> None:
    client.get("/v1/events/e-1")  # no footage
    client.get("/v1/events/e-1/snapshot.jpg")
    client.get("/v1/events/e-1/snapshot.jpg?plain=1")
    client.get("/v1/events/e-1/clip.mp4", headers={"Range": "bytes=5-9"})
    rows = client.get("/v1/audit").json()["looks"]
    assert [(row["what"], row["detail"]) for row in rows] == [
        ("clip", "bytes=5-9"),
        ("snapshot", "plain"),
        ("snapshot", ""),
    ]
    assert {(row["who"], row["address"], row["camera"], row["id"]) for row in rows} == {
        ("local", "127.0.0.1", "lane", "e-1")
    }
    assert rows[0]["looked_at"].endswith("Z")


def test_a_page_of_thumbnails_is_one_row_of_the_audit(
    client: httpx.Client, store: EventStore, event_sink: EventSink, evidence: EvidenceScheduler
) -> None:
    event_sink.upsert(make_event("e-2", at=BEGIN + 21))
    assert evidence.wait_until_idle()
    paths = [f"/v1/events/{id}/snapshot.jpg?thumbnail=1" for id in ("e-1", "e-2")]
    assert client.get("/v1/events").status_code == 200
    assert store.access_log() == []  # without the thumbnails, a list shows no footage
    client.get("/v1/events?thumbnails=1")
    assert [image_at(client, path).shape for path in paths] == [(360, 480, 3)] * 2
    (row,) = store.access_log()
    assert (row.who, row.what, row.id) == ("local", "thumbnails", "")
    assert row.detail == "2 events from 2026-01-14T17:00:08.000Z to 2026-01-14T17:00:09.000Z"
    client.get("/v1/events/e-1/snapshot.jpg")
    assert [row.what for row in store.access_log()] == ["snapshot", "thumbnails"]


def test_a_thumbnail_that_was_on_no_page_writes_its_own_row(client: httpx.Client, store: EventStore) -> None:
    client.get("/v1/events?thumbnails=1&kind=intrusion")
    assert client.get("/v1/events/e-1/snapshot.jpg?thumbnail=1").status_code == 200
    assert [(row.what, row.id) for row in store.access_log()] == [("thumbnail", "e-1")]


def test_the_oldest_thumbnails_are_forgotten(store: EventStore, client: httpx.Client) -> None:
    """Each one that is forgotten writes its own row again; one of another client always does."""
    pages = ThumbnailPages(limit=1)
    requests = {who: Request({"type": "http", "headers": [], IDENTITY_KEY: who}) for who in ("session 1", "session 2")}
    first = store.event("e-1")
    assert first is not None
    second = msgspec.structs.replace(first, event=msgspec.structs.replace(first.event, id="e-2"))
    pages.record_page(store, requests["session 1"], [first])
    assert pages.covers(requests["session 1"], first.event)
    assert not pages.covers(requests["session 2"], first.event)
    pages.record_page(store, requests["session 1"], [second])
    assert pages.covers(requests["session 1"], second.event)
    assert not pages.covers(requests["session 1"], first.event)


def test_a_forwarded_address_is_not_written_to_the_audit(client: httpx.Client) -> None:
    client.get("/v1/events/e-1/snapshot.jpg", headers={"X-Forwarded-For": "198.51.100.7"})
    assert client.get("/v1/audit").json()["looks"][0]["address"] == "127.0.0.1"


def test_without_an_audit_row_no_footage_is_sent(client: httpx.Client, store: EventStore) -> None:
    with store._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit RENAME TO gone")
    for path in ("snapshot.jpg", "clip.mp4"):
        answer = client.get(f"/v1/events/e-1/{path}")
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")


def test_pending_evidence_has_its_own_error(
    store: EventStore, evidence: EvidenceScheduler, start_service: StartService
) -> None:
    store.upsert(make_event())
    answer = start_service(evidence).get("/v1/events/e-1/clip.mp4")
    assert (answer.status_code, answer.json()["code"]) == (404, "evidence_pending")
    assert answer.headers["retry-after"] == "1"
    assert store.access_log() == []


def test_failed_evidence_has_its_reason(
    event_sink: EventSink, evidence: EvidenceScheduler, start_service: StartService
) -> None:
    event_sink.upsert(make_event())  # the packet buffer is empty
    assert evidence.wait_until_idle()
    answer = start_service(evidence).get("/v1/events/e-1/snapshot.jpg")
    assert (answer.status_code, answer.json()["code"]) == (404, "evidence_failed")
    assert "out_of_reach" in answer.json()["message"]


def test_deleted_evidence_has_its_own_error(client: httpx.Client, evidence: EvidenceScheduler) -> None:
    for file in evidence.folder.glob("**/*.mp4"):
        file.unlink()
    answer = client.get("/v1/events/e-1/clip.mp4")
    assert (answer.status_code, answer.json()["code"]) == (410, "evidence_gone")


def test_a_hostile_id_or_run_stays_inside_the_folder(
    event_sink: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder
) -> None:
    feeder.until(21)
    for run in ("../../../escape", "/etc", "..", "a\x00b"):
        event_sink.upsert(make_event("../../x", run=run))
    assert evidence.wait_until_idle()
    written = set(evidence.folder.parent.glob("**/*.jpg"))
    assert len(written) == 4
    assert all(file.parent.parent == evidence.folder for file in written)


def test_a_bells_snapshot_is_from_the_moment_of_the_press(
    event_sink: EventSink, evidence: EvidenceScheduler, store: EventStore, feeder: Feeder, start_service: StartService
) -> None:
    feeder.until(20)
    cameras = event_sink._cameras
    assert cameras is not None
    cameras.update("lane", watermark(BEGIN + 20))
    event = start_service(evidence, cameras=cameras).post("/v1/bells/b-2", json={}).json()
    assert evidence.wait_until_idle()
    snapshot = store.evidence_of("live", event["id"]).snapshot
    assert snapshot.status == "ready"
    assert snapshot.started_at == pytest.approx(BEGIN + 20, abs=1)
