from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from itsdangerous.encoding import base64_decode, base64_encode, bytes_to_int, int_to_bytes

from api import auth
from api.app import create
from api.auth import COOKIE_NAME, TokenAuth, UnsafeAccessError
from api.proxy import parse_networks
from api.server import serve
from api.storage.event_store import EventStore
from lanewatch.config.site import Site
from tests.api.conftest import StartService, make_site
from tests.api.event_factory import make_event

TOKEN = "correct-horse-battery"
CROSS_SITE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
PROTECTED = (
    "/v1/events",
    "/v1/events/stream",
    "/v1/events/e-1",
    "/v1/events/e-1/snapshot.jpg",
    "/v1/events/e-1/clip.mp4",
)
MORE_PROTECTED = ("/v1/cameras", "/v1/site", "/v1/audit", "/metrics", "/openapi.json")


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service that requires a token, for tests that only read."""
    yield from _service(tmp_path_factory, token=TOKEN)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service without a token, for tests that only read."""
    yield from _service(tmp_path_factory, hosts=["gateway.local"])


def _service(folders: pytest.TempPathFactory, **settings: Any) -> Iterator[httpx.Client]:
    store = EventStore(folders.mktemp("store") / "events.db")
    store.upsert(make_event())
    with (
        serve(create(store, None, make_site(), **settings), port=0) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        yield client
    store.close()


@pytest.mark.parametrize("path", PROTECTED + MORE_PROTECTED)
def test_requests_without_the_token_are_rejected(protected: httpx.Client, path: str) -> None:
    response = protected.get(path)
    assert (response.status_code, response.json()["code"]) == (401, "token_needed")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/v1/session", "/console/console.js"])
def test_the_login_page_needs_no_token(protected: httpx.Client, path: str) -> None:
    assert protected.get(path).status_code == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),  # the scheme's case does not matter
        (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        ("Bearer t\u00f6ken", 401),  # not ASCII: must not end in a server error
    ],
)
def test_the_bearer_token(protected: httpx.Client, header: str, status: int) -> None:
    response = protected.get("/v1/events", headers=[(b"Authorization", header.encode())])
    assert response.status_code == status


def test_a_browser_sends_the_token_once(start_service: StartService, store: EventStore) -> None:
    client = start_service(token=TOKEN)
    store.upsert(make_event())
    assert client.post("/v1/session", json={"token": "wrong" * 5}).json()["code"] == "wrong_token"
    login = client.post("/v1/session", json={"token": TOKEN})
    cookie = login.headers["set-cookie"].lower()
    assert login.status_code == 204
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/v1/events").status_code == 200
    event = client.post("/v1/events/e-1/verdict", json={"verdict": "true"}).json()
    assert event["verdicts"][0]["who"] == client.get("/v1/session").json()["who"]
    assert event["verdicts"][0]["who"].startswith("session ")
    client.request("DELETE", "/v1/session", headers={"Content-Type": "application/json"})
    assert client.get("/v1/events").status_code == 401


def forged_sessions() -> dict[str, str]:
    session = TokenAuth(TOKEN).create_session(TOKEN)
    assert session is not None
    id, signed_at, signature = session.split(".")
    later = base64_encode(int_to_bytes(bytes_to_int(base64_decode(signed_at)) + 1)).decode()
    return {
        "another id": f"{id[::-1]}x.{signed_at}.{signature}",
        "a later time": f"{id}.{later}.{signature}",
        "another token's": TokenAuth("x" * 20).create_session("x" * 20) or "",
        "no signature": f"{id}.{signed_at}.",
        "no time": f"{id}.{signature}",
        "empty": "",
        "dots": "..",
    }


@pytest.mark.parametrize("forgery", forged_sessions())
def test_a_forged_session_is_rejected(protected: httpx.Client, forgery: str) -> None:
    response = protected.get("/v1/events", headers={"Cookie": f"{COOKIE_NAME}={forged_sessions()[forgery]}"})
    assert response.status_code == 401


def test_a_session_expires_after_the_shift(protected: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = time.time() - auth.SESSION_S - 1
    with monkeypatch.context() as patch:
        patch.setattr("itsdangerous.timed.time.time", lambda: long_ago)
        old = TokenAuth(TOKEN).create_session(TOKEN)
    response = protected.get("/v1/events", headers={"Cookie": f"{COOKIE_NAME}={old}"})
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8000", 200),
        ("127.0.0.2", 200),
        ("evil.example:8000", 421),  # DNS rebinding: a foreign name with this address
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.168.0.9", 421),
        ("[::1", 421),
        ("", 421),
        ("gateway.local", 200),  # an allowed name
    ],
)
def test_without_a_token_only_local_host_names_are_accepted(local: httpx.Client, host: str, status: int) -> None:
    assert local.get("/v1/events", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("path", ["/v1/events/e-1/verdict", "/v1/bells/b-1", "/v1/session"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),  # what a form on a foreign page can send
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({}, 415),
        ({"Content-Type": "application/json", **CROSS_SITE}, 403),
        ({"Content-Type": "application/json", "Origin": "null"}, 403),  # a sandboxed frame
        ({"Content-Type": "application/json", "Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_a_foreign_page_cannot_write(local: httpx.Client, path: str, headers: dict[str, str], status: int) -> None:
    response = local.post(path, content=b'{"verdict": "false"}', headers=headers)
    assert response.status_code == status
    assert local.get("/v1/events").json()["position"] == 1


def test_a_foreign_page_cannot_read(start_service: StartService, store: EventStore) -> None:
    store.upsert(make_event())
    client = start_service()
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert client.get("/v1/events/e-1/snapshot.jpg", headers=embedded).status_code == 403
    assert client.get("/v1/events", headers=CROSS_SITE).status_code == 403
    assert store.access_log() == []
    navigation = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/", headers=navigation).status_code == 200  # a link to the console works


@pytest.mark.parametrize("path", ["/", "/v1/events", "/nowhere", "/console/console.js"])
def test_every_response_has_security_headers(local: httpx.Client, path: str) -> None:
    headers = local.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy  # no external sources
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


def test_a_short_token_is_rejected(store: EventStore, site: Site) -> None:
    with pytest.raises(UnsafeAccessError, match="needs 16"):
        create(store, None, site, token="secret")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.9", "centre.example"])
def test_without_a_token_only_loopback_is_allowed(store: EventStore, site: Site, host: str) -> None:
    with pytest.raises(UnsafeAccessError, match="LANEWATCH_TOKEN"):
        serve(create(store, None, site), host, 0)


def test_a_trusted_proxy_needs_a_token(store: EventStore, site: Site) -> None:
    """The proxy opens the service to other machines."""
    with pytest.raises(UnsafeAccessError, match="LANEWATCH_TOKEN"):
        create(store, None, site, trusted_proxies=parse_networks(["127.0.0.1"]))


@pytest.mark.parametrize("prefix", ["", "/console", "/console/console"])
def test_a_root_path_opens_no_path_without_the_token(start_service: StartService, prefix: str) -> None:
    """Paths below /console/ need no token, but those below the root path do."""
    client = start_service(token=TOKEN, root_path="/console")
    for path in PROTECTED + MORE_PROTECTED:
        assert client.get(prefix + path).status_code in (401, 404)
    assert client.get("/console/console.js").status_code == 200


def test_with_a_token_any_host_name_is_accepted(store: EventStore, site: Site) -> None:
    app = create(store, None, site, token=TOKEN)
    with serve(app, "127.0.0.1", 0) as server, httpx.Client(base_url=server.url) as client:
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": "centre.example"}
        assert client.get("/v1/events", headers=headers).status_code == 200
        assert client.get("/v1/events", headers={"Host": "centre.example"}).status_code == 401


def test_a_cameras_url_and_password_are_never_sent(start_service: StartService) -> None:
    client = start_service()
    for path in ("/v1/cameras", "/v1/site", "/openapi.json"):
        assert "secret" not in client.get(path).text
        assert "10.0.0.1" not in client.get(path).text
