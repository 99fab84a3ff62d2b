from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api import auth
from api.app import create
from api.auth import COOKIE, TokenAuth, UnsafeAccessError
from api.server import serve
from api.storage.event_store import EventStore
from lanewatch.config.site import Site
from tests.api.conftest import Serving, make_site
from tests.api.event_factory import make_event

TOKEN = "correct-horse-battery"
OTHER_SITE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
PROTECTED = (
    "/v1/events",
    "/v1/events/stream",
    "/v1/events/e-1",
    "/v1/events/e-1/snapshot.jpg",
    "/v1/events/e-1/clip.mp4",
)
MORE_PROTECTED = ("/v1/cameras", "/v1/site", "/v1/audit", "/metrics", "/openapi.json")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service that demands a token, for tests that only ask it."""
    yield from _asked(tmp_path_factory, token=TOKEN)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service without a token, for tests that only ask it."""
    yield from _asked(tmp_path_factory, hosts=["gateway.local"])


def _asked(folders: pytest.TempPathFactory, **settings: Any) -> Iterator[httpx.Client]:
    store = EventStore(folders.mktemp("store") / "events.db")
    store.upsert(make_event())
    with (
        serve(create(store, None, make_site(), **settings), port=0) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        yield client
    store.close()


@pytest.mark.parametrize("path", PROTECTED + MORE_PROTECTED)
def test_without_the_token_nothing_is_told(guarded: httpx.Client, path: str) -> None:
    answer = guarded.get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_needed")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/v1/session", "/console/console.js"])
def test_the_door_itself_is_open(guarded: httpx.Client, path: str) -> None:
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),  # the scheme's case does not matter
        (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        ("Bearer t\u00f6ken", 401),  # what is no ASCII must not be an error of ours
    ],
)
def test_the_bearer_token(guarded: httpx.Client, header: str, status: int) -> None:
    answer = guarded.get("/v1/events", headers=[(b"Authorization", header.encode())])
    assert answer.status_code == status


def test_a_browser_shows_the_token_once(serving: Serving, store: EventStore) -> None:
    client = serving(token=TOKEN)
    store.upsert(make_event())
    assert client.post("/v1/session", json={"token": "wrong" * 5}).json()["code"] == "wrong_token"
    entered = client.post("/v1/session", json={"token": TOKEN})
    cookie = entered.headers["set-cookie"].lower()
    assert entered.status_code == 204
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/v1/events").status_code == 200
    said = client.post("/v1/events/e-1/verdict", json={"verdict": "true"}).json()
    assert said["verdicts"][0]["who"] == client.get("/v1/session").json()["who"]
    assert said["verdicts"][0]["who"].startswith("session ")
    client.request("DELETE", "/v1/session", headers={"Content-Type": "application/json"})
    assert client.get("/v1/events").status_code == 401


def forged() -> dict[str, str]:
    keys = TokenAuth(TOKEN)
    good = keys.session(TOKEN)
    assert good is not None
    name, ends, signature = good.split(".")
    return {
        "another name": f"{name[::-1]}x.{ends}.{signature}",
        "a later end": f"{name}.{int(ends) + 1}.{signature}",
        "another token's": TokenAuth("x" * 20).session("x" * 20) or "",
        "no signature": f"{name}.{ends}.",
        "nothing": "",
        "dots": "..",
    }


@pytest.mark.parametrize("how", forged())
def test_a_forged_session_is_none(guarded: httpx.Client, how: str) -> None:
    answer = guarded.get("/v1/events", headers={"Cookie": f"{COOKIE}={forged()[how]}"})
    assert answer.status_code == 401


def test_a_session_ends_with_the_shift(guarded: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = time.time() - auth.SHIFT_S - 1
    with monkeypatch.context() as then:
        then.setattr("api.auth.time.time", lambda: long_ago)
        old = TokenAuth(TOKEN).session(TOKEN)
    answer = guarded.get("/v1/events", headers={"Cookie": f"{COOKIE}={old}"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8000", 200),
        ("127.0.0.2", 200),
        ("evil.example:8000", 421),  # DNS rebinding: a stranger's name that leads here
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.168.0.9", 421),
        ("[::1", 421),
        ("", 421),
        ("gateway.local", 200),  # a name that was allowed
    ],
)
def test_on_loopback_only_our_own_names_are_answered_to(local: httpx.Client, host: str, status: int) -> None:
    assert local.get("/v1/events", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("path", ["/v1/events/e-1/verdict", "/v1/bells/b-1", "/v1/session"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),  # what a form of a stranger's page can send
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({}, 415),
        ({"Content-Type": "application/json", **OTHER_SITE}, 403),
        ({"Content-Type": "application/json", "Origin": "null"}, 403),  # a sandboxed frame
        ({"Content-Type": "application/json", "Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_a_strangers_page_cannot_write(local: httpx.Client, path: str, headers: dict[str, str], status: int) -> None:
    answer = local.post(path, content=b'{"verdict": "false"}', headers=headers)
    assert answer.status_code == status
    assert local.get("/v1/events").json()["position"] == 1


def test_a_strangers_page_cannot_look(serving: Serving, store: EventStore) -> None:
    store.upsert(make_event())
    client = serving()
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert client.get("/v1/events/e-1/snapshot.jpg", headers=embedded).status_code == 403
    assert client.get("/v1/events", headers=OTHER_SITE).status_code == 403
    assert store.looks() == []
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/", headers=followed).status_code == 200  # a link to the console may be followed


@pytest.mark.parametrize("path", ["/", "/v1/events", "/nowhere", "/console/console.js"])
def test_every_answer_is_sealed(local: httpx.Client, path: str) -> None:
    headers = local.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy  # nothing from elsewhere
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


def test_a_short_token_is_refused(store: EventStore, site: Site) -> None:
    with pytest.raises(UnsafeAccessError, match="needs 16"):
        create(store, None, site, token="secret")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.9", "centre.example"])
def test_off_loopback_without_a_token_is_refused(store: EventStore, site: Site, host: str) -> None:
    with pytest.raises(UnsafeAccessError, match="LANEWATCH_TOKEN"):
        serve(create(store, None, site), host, 0)


def test_off_loopback_with_a_token_serves_those_who_have_it(store: EventStore, site: Site) -> None:
    app = create(store, None, site, token=TOKEN)
    with serve(app, "127.0.0.1", 0) as server, httpx.Client(base_url=server.url) as client:
        asked = {"Authorization": f"Bearer {TOKEN}", "Host": "centre.example"}
        assert client.get("/v1/events", headers=asked).status_code == 200
        assert client.get("/v1/events", headers={"Host": "centre.example"}).status_code == 401


def test_a_cameras_address_and_password_are_nowhere(serving: Serving) -> None:
    client = serving()
    for path in ("/v1/cameras", "/v1/site", "/openapi.json"):
        assert "secret" not in client.get(path).text
        assert "10.0.0.1" not in client.get(path).text
