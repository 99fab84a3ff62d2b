"""The console behind real proxies, each with the configuration that `docs/operations.md` shows."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.app import create
from api.camera_status import CameraStatusBoard
from api.event_sink import EventSink
from api.evidence.scheduler import EvidenceScheduler
from api.proxy import parse_networks
from api.server import serve
from api.storage.event_store import EventStore
from deploy.kafka_server import free_port
from lanewatch.config.site import Site
from tests.api import reverse_proxy
from tests.api.event_factory import BEGIN, Feeder, make_event
from tests.api.test_console import TOKEN, browser, complete_event, wait_until_playing

__all__ = ["browser"]

CLIENT = "127.0.0.3"
"""Another address of this machine than the proxy's, 127.0.0.1."""

FORGED = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
TIMEOUT_MS = 20_000
"""Of a busy machine. A message that a proxy buffers would not come in this time either."""

BEARER = {"Authorization": f"Bearer {TOKEN}"}

StartProxied = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1440, "height": 900})
    yield context
    context.close()


class Service(NamedTuple):
    """A service that trusts the proxies on this machine, if it has a token."""

    host: str  # and port
    store: EventStore
    show_event: Callable[[], object]


@pytest.fixture
def root_path() -> str:
    return ""


@pytest.fixture
def token() -> str | None:
    return TOKEN


@pytest.fixture
def service(
    store: EventStore,
    evidence: EvidenceScheduler,
    site: Site,
    cameras: CameraStatusBoard,
    event_sink: EventSink,
    feeder: Feeder,
    root_path: str,
    token: str | None,
) -> Iterator[Service]:
    trusted = parse_networks(["127.0.0.1"] if token else [])
    app = create(store, evidence, site, cameras=cameras, token=token, trusted_proxies=trusted, root_path=root_path)
    with serve(app, port=0) as server:
        yield Service(urlsplit(server.url).netloc, store, lambda: complete_event(event_sink, feeder, evidence))


@pytest.mark.parametrize("root_path", ["", reverse_proxy.PLACE], ids=["root", "path"])
@pytest.mark.parametrize("proxy", [reverse_proxy.nginx, reverse_proxy.caddy])
def test_the_documented_configuration_serves_the_console(
    context: BrowserContext, service: Service, tmp_path: Path, proxy: StartProxied, root_path: str
) -> None:
    """Over TLS, on another port than 443: login, the event stream, a snapshot, a clip, and logout."""
    with proxy(service.host, tmp_path, under_path=bool(root_path)) as origin:
        page = context.new_page()
        page.goto(f"{origin}{root_path}?lang=en")  # without the slash at the end: the proxy adds it
        log_in(page)
        expect(page.locator(".connection")).to_have_text("Live", timeout=TIMEOUT_MS)
        [cookie] = context.cookies()
        assert (cookie["secure"], cookie["httpOnly"], cookie["path"]) == (True, True, root_path or "/")
        service.store.upsert(make_event("first", at=BEGIN))
        expect(page.locator(".card")).to_have_count(1, timeout=TIMEOUT_MS)  # short enough for a buffer
        service.show_event()
        expect(page.locator(".card")).to_have_count(2, timeout=TIMEOUT_MS)
        expect(page.locator(".card img")).to_have_js_property("naturalWidth", 480, timeout=TIMEOUT_MS)
        page.locator(".card img").click()
        page.get_by_role("button", name="Play the clip").click()
        wait_until_playing(page)
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("dialog")).to_be_visible(timeout=TIMEOUT_MS)
        expect(page.locator(".card")).to_have_count(0)
        assert context.cookies() == []


@pytest.mark.parametrize("proxy", [reverse_proxy.nginx, reverse_proxy.caddy])
def test_the_audit_has_the_clients_address_and_forged_headers_have_no_effect(
    service: Service, tmp_path: Path, proxy: StartProxied
) -> None:
    service.show_event()
    with proxy(service.host, tmp_path) as origin:
        trust = ssl.create_default_context(cafile=str(tmp_path / "centre.pem"))
        transport = httpx.HTTPTransport(verify=trust, local_address=CLIENT)
        with httpx.Client(transport=transport, base_url=origin, headers=BEARER) as client:
            for headers in ({}, FORGED):
                assert client.get("/v1/events/e-1/snapshot.jpg", headers=headers).status_code == 200
                assert service.store.access_log()[0].address == CLIENT
            assert login_status(client, origin, {}) == 204
            assert login_status(client, "https://evil.example", FORGED) == 403


def test_forged_headers_have_no_effect_without_a_trusted_proxy(service: Service) -> None:
    service.show_event()
    transport = httpx.HTTPTransport(local_address=CLIENT)
    with httpx.Client(transport=transport, base_url=f"http://{service.host}", headers=BEARER) as client:
        assert client.get("/v1/events/e-1/snapshot.jpg", headers=FORGED).status_code == 200
        assert service.store.access_log()[0].address == CLIENT
        assert login_status(client, "https://evil.example", FORGED) == 403


def login_status(client: httpx.Client, origin: str, headers: dict[str, str]) -> int:
    return client.post("/v1/session", json={"token": TOKEN}, headers={"Origin": origin} | headers).status_code


def test_the_login_page_names_the_line_that_a_proxy_lacks(
    context: BrowserContext, service: Service, tmp_path: Path
) -> None:
    """With `proxy_pass` alone, nginx sends the host of the upstream."""
    page = context.new_page()
    with plain_nginx(service, tmp_path) as origin:
        for language, sentence in (
            ("ko", "프록시가 Host 헤더를 바꾸어서"),
            ("en", "The proxy changes the Host header"),
        ):
            page.goto(f"{origin}/?lang={language}")
            log_in(page)
            expect(page.locator("#login-error")).to_contain_text(sentence, timeout=TIMEOUT_MS)
            [line] = re.findall(r"proxy_set_header .*;", page.locator("#login-error").inner_text())
    with plain_nginx(service, tmp_path, line) as origin:
        page.goto(f"{origin}/?lang=en")
        log_in(page)
        expect(page.locator(".connection")).to_have_text("Live", timeout=TIMEOUT_MS)


@pytest.mark.parametrize("token", [None])
def test_a_verdict_that_a_proxy_prevents_says_why(context: BrowserContext, service: Service, tmp_path: Path) -> None:
    """Without a token there is no login page to say it."""
    service.show_event()
    page = context.new_page()
    with plain_nginx(service, tmp_path) as origin:
        page.goto(f"{origin}/?lang=en")
        page.locator(".card").click()
        page.get_by_role("button", name="False alarm").click()
        expect(page.locator("#detail")).to_contain_text("The proxy changes the Host header", timeout=TIMEOUT_MS)


@contextmanager
def plain_nginx(service: Service, folder: Path, line: str = "") -> Iterator[str]:
    port = free_port()
    server = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{service.host}; {line} }} }}"
    with reverse_proxy.running_nginx(server, port, folder):
        yield f"http://127.0.0.1:{port}"


def log_in(page: Page) -> None:
    page.locator("#token").fill(TOKEN)
    page.locator("#token").press("Enter")
