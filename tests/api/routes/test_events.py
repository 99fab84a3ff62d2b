from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from api.app import create
from api.camera_status import CameraStatusBoard
from api.event_sink import EventSink
from api.routes.emergency_bells import press_event
from api.server import serve
from api.storage.event_store import EventStore
from lanewatch.config.site import Site
from lanewatch.records import Event
from tests.api.conftest import StartService, make_site
from tests.api.event_factory import BEGIN, after, make_event, watermark


@pytest.fixture(scope="module")
def client_of_three_events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with three events, for tests that only read."""
    store = EventStore(tmp_path_factory.mktemp("store") / "events.db")
    store.upsert(make_event("a", at=BEGIN + 10, severity=1))
    store.upsert(make_event("b", at=BEGIN + 20, kind="intrusion", severity=3))
    store.upsert(make_event("c", at=BEGIN + 30, camera="gate", state="closed"))
    with serve(create(store, None, make_site()), port=0) as server, httpx.Client(base_url=server.url) as client:
        yield client
    store.close()


def test_an_event_has_all_fields_of_its_record(store: EventStore, start_service: StartService) -> None:
    event = make_event()
    store.upsert(event)
    body = start_service().get("/v1/events/e-1").json()
    assert set(body) == {*Event.__struct_fields__, "position", "opened_at", "evidence", "verdicts"}
    assert body["started_at"] == "2026-01-14T17:00:08.000Z"  # BEGIN is 17:00:00
    assert body["peak"]["captured_at"] == "2026-01-14T17:00:20.000Z"
    assert body["ended_at"] is None
    assert body["factors"] == msgspec.to_builtins(list(event.factors))
    assert body["evidence"]["status"] == "pending"


def test_the_pages_of_a_list_contain_every_event(store: EventStore, start_service: StartService) -> None:
    client = start_service()
    for number in range(7):
        store.upsert(make_event(f"e-{number}", at=BEGIN + number))
    ids: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = client.get("/v1/events", params=query).json()
        ids += [event["id"] for event in page["events"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert ids == [f"e-{number}" for number in reversed(range(7))]


def test_a_list_has_the_position_of_the_event_stream(store: EventStore, start_service: StartService) -> None:
    client = start_service()
    store.upsert(make_event())
    assert client.get("/v1/events").json()["position"] == 1


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("camera=lane", 2),
        ("camera=gate&camera=lane", 3),
        ("kind=intrusion", 1),
        ("severity=2", 2),
        ("state=closed", 1),
        ("zone=yard&camera=gate", 1),
        ("since=2026-01-14T17:00:08Z", 2),
        ("since=2026-01-15T02:00:08%2B09:00", 2),  # the same instant, in Seoul's time
        ("until=2026-01-14T17:00:08.000Z", 1),
        ("run=none", 0),
    ],
)
def test_filters(client_of_three_events: httpx.Client, query: str, count: int) -> None:
    assert len(client_of_three_events.get(f"/v1/events?{query}").json()["events"]) == count
    assert client_of_three_events.get(f"/v1/events/count?{query}").json() == {"count": count}


def test_trouble_of_cameras_is_selected_or_left_out(store: EventStore, start_service: StartService) -> None:
    client = start_service()
    for kind in ("loitering", "signal_lost", "covered", "outage", "emergency_bell"):
        store.upsert(make_event(kind, kind=kind))
    found = {
        wanted: {event["kind"] for event in client.get(f"/v1/events?camera_trouble={wanted}").json()["events"]}
        for wanted in ("true", "false")
    }
    assert found == {"true": {"signal_lost", "covered", "outage"}, "false": {"loitering", "emergency_bell"}}
    assert client.get("/v1/events/count?camera_trouble=true&kind=covered").json()["count"] == 1
    assert {"signal_lost", "outage"} <= set(client.get("/v1/site").json()["camera_trouble"])


def test_an_event_is_handled_by_any_verdict(store: EventStore, start_service: StartService) -> None:
    client = start_service()
    for run, id in (("live", "a"), ("live", "b"), ("rescore", "a")):
        store.upsert(make_event(id, run=run))
    client.post("/v1/events/a/verdict", json={"verdict": "unsure"})
    waiting = client.get("/v1/events?handled=false").json()["events"]
    assert {(event["run"], event["id"]) for event in waiting} == {("live", "b"), ("rescore", "a")}
    assert client.get("/v1/events/count?handled=true").json() == {"count": 1}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/events?kin=loitering", 422, "invalid"),  # unknown: rejected, not ignored
        ("/v1/events/count?limit=3", 422, "invalid"),
        ("/v1/events?severity=4", 422, "invalid"),
        ("/v1/events?limit=1000", 422, "invalid"),
        ("/v1/events?state=gone", 422, "invalid"),
        ("/v1/events?since=yesterday", 422, "invalid"),
        ("/v1/events?since=2026-01-14T17:00:00", 422, "invalid"),  # no time zone
        ("/v1/events?cursor=abc", 422, "bad_cursor"),
        ("/v1/events/nothing", 404, "no_such_event"),
        ("/v1/events/a?run=other", 404, "no_such_event"),
        ("/v1/events/..%2f..%2fetc%2fpasswd", 404, "not_found"),
        ("/v1/events/%00", 422, "invalid"),
        ("/v1/events/..", 404, "not_found"),
        ("/v1/events/..%2f..%2fevents.db/clip.mp4", 404, "not_found"),
        ("/console/..%2fapp.py", 404, "not_found"),
        ("/console/%2e%2e/app.py", 404, "not_found"),
        ("/nowhere", 404, "not_found"),
    ],
)
def test_errors_have_a_code_and_a_message(
    client_of_three_events: httpx.Client, path: str, status: int, code: str
) -> None:
    response = client_of_three_events.get(path)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"verdict": "true", "reason": "two people"}', 200),
        (b'{"verdict": "unsure"}', 200),
        (b'{"verdict": "repaired"}', 200),
        (b'{"verdict": "maybe"}', 422),
        (b'{"verdict": true}', 422),
        (b'{"verdict": "true", "by": "me"}', 422),
        (b"{", 422),
        (b"", 422),
        (b'{"verdict": "true", "reason": "' + b"x" * 2001 + b'"}', 422),
        (b'{"verdict": "true", "reason": "' + b"x" * 40_000 + b'"}', 413),
    ],
)
def test_verdicts(store: EventStore, start_service: StartService, body: bytes, status: int) -> None:
    store.upsert(make_event())
    client = start_service()
    response = client.post("/v1/events/e-1/verdict", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == status
    assert status == 200 or response.json()["code"] == ("too_large" if status == 413 else "invalid")
    verdicts = client.get("/v1/events/e-1").json()["verdicts"]
    assert len(verdicts) == (1 if status == 200 else 0)


def test_a_verdict_on_an_unknown_event_is_rejected(start_service: StartService) -> None:
    response = start_service().post("/v1/events/none/verdict", json={"verdict": "true"})
    assert (response.status_code, response.json()["code"]) == (404, "no_such_event")


def test_a_stored_revision_can_be_read_immediately(event_sink: EventSink, start_service: StartService) -> None:
    """From the watch stage to the API's response: a few milliseconds, far below the pipeline's 300."""
    client = start_service()
    client.get("/v1/events")
    durations = []
    for number in range(30):
        began = time.perf_counter()
        event_sink.upsert(make_event(f"e-{number}"))
        assert client.get(f"/v1/events/e-{number}").status_code == 200
        durations.append(time.perf_counter() - began)
    assert min(durations) < 0.04  # Nagle's algorithm takes that each time, a busy machine only sometimes


def test_a_press_of_a_bell_is_an_event_of_the_nearest_camera(store: EventStore, start_service: StartService) -> None:
    response = start_service().post("/v1/bells/b-1", json={})
    event = response.json()
    assert response.status_code == 201
    assert (event["kind"], event["zone"], event["severity"]) == ("emergency_bell", "b-1", 3)
    assert event["camera"] == "gate"  # 0.002 degrees of latitude away, against 0.008
    assert event["factors"][0]["detail"]["distance_m"] == pytest.approx(222, abs=2)
    assert event["sentence"]["ko"]
    assert [found.event.id for found in store.since(0)] == [event["id"]]


def test_the_site_file_can_name_a_bells_camera(start_service: StartService) -> None:
    assert start_service().post("/v1/bells/b-2", json={}).json()["camera"] == "lane"


def test_a_press_needs_no_body_and_can_have_a_note(start_service: StartService) -> None:
    client = start_service()
    assert client.post("/v1/bells/b-1", headers={"Content-Type": "application/json"}).status_code == 201
    event = client.post("/v1/bells/b-2", json={"note": "pole 7"}).json()
    assert event["factors"][0]["detail"]["note"] == "pole 7"


def test_an_unknown_bell_is_rejected(start_service: StartService) -> None:
    response = start_service().post("/v1/bells/b-9", json={})
    assert (response.status_code, response.json()["code"]) == (404, "no_such_bell")


def test_presses_within_a_minute_are_one_event(site: Site) -> None:
    bell = site.bells[0]
    first = press_event(site, bell, BEGIN, None, run="live")
    second = press_event(site, bell, BEGIN + 59, first, run="live")
    third = press_event(site, bell, BEGIN + 118, second, run="live")
    later = press_event(site, bell, BEGIN + 179, third, run="live")
    assert {second.id, third.id} == {first.id}
    assert later.id != first.id
    assert third.started_at == BEGIN
    assert third.ended_at == BEGIN + 118
    assert third.factors[0].detail["presses"] == 3
    assert first.revision < second.revision < third.revision


def test_a_press_has_the_cameras_capture_time(
    store: EventStore, site: Site, cameras: CameraStatusBoard, start_service: StartService
) -> None:
    """A clip with a simulated clock has a time of its own, in which the snapshot is looked up."""
    cameras.update("gate", watermark(BEGIN + 5))
    event = start_service(cameras=cameras).post("/v1/bells/b-1", json={}).json()
    assert event["started_at"].startswith("2026-01-14T17:00:0")


def test_the_states_of_a_camera(site: Site) -> None:
    now = [100.0]
    cameras = CameraStatusBoard(lambda: site, clock=lambda: now[0])
    assert [status.state for status in cameras.statuses()] == ["waiting", "waiting"]
    for number in range(50):
        cameras.update("lane", watermark(BEGIN + number / 5))
    lane = cameras.statuses()[0]
    assert (lane.state, lane.rate) == ("live", 5.0)
    assert lane.captured_at == BEGIN + 49 / 5
    for gap in ("idle", "lost", "ended"):
        cameras.update("lane", watermark(BEGIN + 10, gap))
        assert cameras.statuses()[0].state == gap
    cameras.update("lane", watermark(BEGIN + 11))
    now[0] += 60
    assert cameras.statuses()[0].state == "silent"


def test_health(store: EventStore, start_service: StartService) -> None:
    client = start_service()
    store.upsert(make_event())
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok", "wrong": []}
    assert "lanewatch_stage_seconds" in client.get("/metrics").text


def test_without_the_store_the_service_is_not_ready(store: EventStore, site: Site, start_service: StartService) -> None:
    client = start_service()
    with store._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE feed RENAME TO gone")
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    response = client.get("/v1/events")
    assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")


def resolve(schema: dict[str, Any], all_schemas: dict[str, Any]) -> set[str]:
    """The names of a schema's properties, through references and compositions."""
    if "$ref" in schema:
        return resolve(all_schemas[schema["$ref"].rsplit("/", 1)[1]], all_schemas)
    names = set(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        names |= resolve(part, all_schemas)
    return names


def test_the_description_has_the_fields_of_the_responses(
    store: EventStore, site: Site, start_service: StartService
) -> None:
    store.upsert(make_event())
    client = start_service()
    description = client.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    event = client.get("/v1/events/e-1").json()
    assert resolve({"$ref": "#/components/schemas/EventResponse"}, schemas) == set(event)
    assert resolve({"$ref": "#/components/schemas/EvidenceResponse"}, schemas) == set(event["evidence"])
    assert resolve({"$ref": "#/components/schemas/MediaFileResponse"}, schemas) == set(event["evidence"]["clip"])
    assert resolve({"$ref": "#/components/schemas/EventPage"}, schemas) == set(client.get("/v1/events").json())
    camera = client.get("/v1/cameras").json()["cameras"][0]
    assert resolve({"$ref": "#/components/schemas/CameraStatus"}, schemas) == set(camera)
    started_at = schemas["EventResponse"]["properties"]["started_at"]
    assert (started_at["type"], started_at["format"]) == ("string", "date-time")
    listed = description["paths"]["/v1/events"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert listed == {"$ref": "#/components/schemas/EventPage"}


def test_every_reference_in_the_description_exists(store: EventStore, site: Site) -> None:
    description = create(store, None, site).openapi()
    text = msgspec.json.encode(description).decode()
    schemas = description["components"]["schemas"]
    references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert references <= set(schemas)


def test_an_outdated_revision_is_not_in_the_list(store: EventStore, start_service: StartService) -> None:
    event = make_event()
    store.upsert(after(event, 5, severity=3))
    store.upsert(event)
    listed = start_service().get("/v1/events?severity=3").json()["events"]
    assert [event["severity"] for event in listed] == [3]


def test_responses_are_utf_8(store: EventStore, start_service: StartService) -> None:
    store.upsert(make_event())
    response = httpx.Response(200, content=start_service().get("/v1/events/e-1").content)
    assert "마당" in response.content.decode("utf-8")
