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
from tests.api.conftest import Serving, make_site
from tests.api.event_factory import BEGIN, after, make_event, reached


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with three events, for tests that only ask it."""
    store = EventStore(tmp_path_factory.mktemp("store") / "events.db")
    store.upsert(make_event("a", at=BEGIN + 10, severity=1))
    store.upsert(make_event("b", at=BEGIN + 20, kind="intrusion", severity=3))
    store.upsert(make_event("c", at=BEGIN + 30, camera="gate", state="closed"))
    with serve(create(store, None, make_site()), port=0) as server, httpx.Client(base_url=server.url) as client:
        yield client
    store.close()


def test_an_event_says_all_that_its_record_says(store: EventStore, serving: Serving) -> None:
    event = make_event()
    store.upsert(event)
    said = serving().get("/v1/events/e-1").json()
    assert set(said) == {*Event.__struct_fields__, "position", "opened_at", "evidence", "verdicts"}
    assert said["started_at"] == "2026-01-14T17:00:08.000Z"  # BEGIN is 17:00:00
    assert said["peak"]["captured_at"] == "2026-01-14T17:00:20.000Z"
    assert said["ended_at"] is None
    assert said["factors"] == msgspec.to_builtins(list(event.factors))
    assert said["evidence"]["status"] == "pending"


def test_a_list_is_walked_to_its_end(store: EventStore, serving: Serving) -> None:
    client = serving()
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


def test_a_list_says_where_the_feed_goes_on(store: EventStore, serving: Serving) -> None:
    client = serving()
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
def test_filters(few: httpx.Client, query: str, count: int) -> None:
    assert len(few.get(f"/v1/events?{query}").json()["events"]) == count


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/events?kin=loitering", 422, "invalid"),  # misspelt: refused, and not ignored
        ("/v1/events?severity=4", 422, "invalid"),
        ("/v1/events?limit=1000", 422, "invalid"),
        ("/v1/events?state=gone", 422, "invalid"),
        ("/v1/events?since=yesterday", 422, "invalid"),
        ("/v1/events?since=2026-01-14T17:00:00", 422, "invalid"),  # whose time?
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
def test_refusals_have_a_code_and_a_message(few: httpx.Client, path: str, status: int, code: str) -> None:
    answer = few.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"verdict": "true", "reason": "two people"}', 200),
        (b'{"verdict": "unsure"}', 200),
        (b'{"verdict": "maybe"}', 422),
        (b'{"verdict": true}', 422),
        (b'{"verdict": "true", "by": "me"}', 422),
        (b"{", 422),
        (b"", 422),
        (b'{"verdict": "true", "reason": "' + b"x" * 2001 + b'"}', 422),
        (b'{"verdict": "true", "reason": "' + b"x" * 20_000 + b'"}', 413),
    ],
)
def test_verdicts(store: EventStore, serving: Serving, body: bytes, status: int) -> None:
    store.upsert(make_event())
    client = serving()
    answer = client.post("/v1/events/e-1/verdict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    verdicts = client.get("/v1/events/e-1").json()["verdicts"]
    assert len(verdicts) == (1 if status == 200 else 0)


def test_a_verdict_on_nothing_is_refused(serving: Serving) -> None:
    answer = serving().post("/v1/events/none/verdict", json={"verdict": "true"})
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_event")


def test_a_stored_revision_can_be_read_at_once(intake: EventSink, serving: Serving) -> None:
    """From the watcher's hand to the API's answer: a few milliseconds, far below the pipeline's 300."""
    client = serving()
    client.get("/v1/events")
    took = []
    for number in range(30):
        began = time.perf_counter()
        intake.upsert(make_event(f"e-{number}"))
        assert client.get(f"/v1/events/e-{number}").status_code == 200
        took.append(time.perf_counter() - began)
    assert sorted(took)[5] < 0.04  # Nagle's algorithm alone would take that each time; a busy machine takes it at times


def test_a_bells_press_is_an_event_of_the_nearest_camera(store: EventStore, serving: Serving) -> None:
    answer = serving().post("/v1/bells/b-1", json={})
    event = answer.json()
    assert answer.status_code == 201
    assert (event["kind"], event["zone"], event["severity"]) == ("emergency_bell", "b-1", 3)
    assert event["camera"] == "gate"  # 0.002 degrees of latitude away, against 0.008
    assert event["factors"][0]["detail"]["distance_m"] == pytest.approx(222, abs=2)
    assert event["sentence"]["ko"]
    assert [found.event.id for found in store.since(0)] == [event["id"]]


def test_a_bell_may_name_its_camera(serving: Serving) -> None:
    assert serving().post("/v1/bells/b-2", json={}).json()["camera"] == "lane"


def test_a_bell_needs_no_body_and_may_add_a_note(serving: Serving) -> None:
    client = serving()
    assert client.post("/v1/bells/b-1", headers={"Content-Type": "application/json"}).status_code == 201
    told = client.post("/v1/bells/b-2", json={"note": "pole 7"}).json()
    assert told["factors"][0]["detail"]["note"] == "pole 7"


def test_an_unknown_bell_is_refused(serving: Serving) -> None:
    answer = serving().post("/v1/bells/b-9", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_bell")


def test_presses_within_a_minute_are_one_call_for_help(site: Site) -> None:
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


def test_a_press_is_told_in_the_cameras_own_time(
    store: EventStore, site: Site, cameras: CameraStatusBoard, serving: Serving
) -> None:
    """A clip with a simulated clock has its own now; the picture is sought in it."""
    cameras.advance("gate", reached(BEGIN + 5))
    event = serving(cameras=cameras).post("/v1/bells/b-1", json={}).json()
    assert event["started_at"].startswith("2026-01-14T17:00:0")


def test_cameras_say_how_they_are(site: Site) -> None:
    now = [100.0]
    cameras = CameraStatusBoard(lambda: site, clock=lambda: now[0])
    assert [view.state for view in cameras.views()] == ["waiting", "waiting"]
    for number in range(50):
        cameras.advance("lane", reached(BEGIN + number / 5))
    lane = cameras.views()[0]
    assert (lane.state, lane.rate) == ("live", 5.0)
    assert lane.captured_at == BEGIN + 49 / 5
    for gap in ("idle", "lost", "ended"):
        cameras.advance("lane", reached(BEGIN + 10, gap))
        assert cameras.views()[0].state == gap
    cameras.advance("lane", reached(BEGIN + 11))
    now[0] += 60
    assert cameras.views()[0].state == "silent"


def test_health(store: EventStore, serving: Serving) -> None:
    client = serving()
    store.upsert(make_event())
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok", "wrong": []}
    assert "lanewatch_stage_seconds" in client.get("/metrics").text


def test_a_store_that_is_away_is_unready_and_says_so(store: EventStore, site: Site, serving: Serving) -> None:
    client = serving()
    with store._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE feed RENAME TO gone")
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    answer = client.get("/v1/events")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")


def resolve(schema: dict[str, Any], all_schemas: dict[str, Any]) -> set[str]:
    """The properties that a schema names, through references and compositions."""
    if "$ref" in schema:
        return resolve(all_schemas[schema["$ref"].rsplit("/", 1)[1]], all_schemas)
    names = set(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        names |= resolve(part, all_schemas)
    return names


def test_the_description_says_what_the_answers_hold(store: EventStore, site: Site, serving: Serving) -> None:
    store.upsert(make_event())
    client = serving()
    description = client.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    said = client.get("/v1/events/e-1").json()
    assert resolve({"$ref": "#/components/schemas/StoredEvent"}, schemas) == set(said)
    assert resolve({"$ref": "#/components/schemas/Evidence"}, schemas) == set(said["evidence"])
    assert resolve({"$ref": "#/components/schemas/MediaFile"}, schemas) == set(said["evidence"]["clip"])
    assert resolve({"$ref": "#/components/schemas/EventPage"}, schemas) == set(client.get("/v1/events").json())
    camera = client.get("/v1/cameras").json()["cameras"][0]
    assert resolve({"$ref": "#/components/schemas/CameraStatus"}, schemas) == set(camera)
    assert schemas["Event"]["properties"]["started_at"] == {"type": "string", "format": "date-time"}
    listed = description["paths"]["/v1/events"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert listed == {"$ref": "#/components/schemas/EventPage"}


def test_every_reference_in_the_description_leads_somewhere(store: EventStore, site: Site) -> None:
    description = create(store, None, site).openapi()
    text = msgspec.json.encode(description).decode()
    schemas = description["components"]["schemas"]
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(schemas)


def test_nothing_is_told_of_an_older_revision_in_the_list(store: EventStore, serving: Serving) -> None:
    event = make_event()
    store.upsert(after(event, 5, severity=3))
    store.upsert(event)
    listed = serving().get("/v1/events?severity=3").json()["events"]
    assert [each["severity"] for each in listed] == [3]


def test_answers_are_json_in_utf_8(store: EventStore, serving: Serving) -> None:
    store.upsert(make_event())
    answer = httpx.Response(200, content=serving().get("/v1/events/e-1").content)
    assert "마당" in answer.content.decode("utf-8")
