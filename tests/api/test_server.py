from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from fastapi import FastAPI

from api.app import create
from api.server import ServerError, serve
from api.storage.event_store import EventStore
from lanewatch.config.site import Site


def test_a_port_in_use_is_named_with_the_fix(store: EventStore, site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port} on 127.0.0.1 is in use.*--port"):
            serve(create(store, None, site), port=port)


def test_two_services_do_not_share_a_port(store: EventStore, site: Site) -> None:
    with serve(create(store, None, site), port=0) as first, pytest.raises(ServerError, match="in use"):
        serve(create(store, None, site), port=int(first.url.rsplit(":", 1)[1]))


def test_an_address_of_another_machine_is_an_error(store: EventStore, site: Site) -> None:
    with pytest.raises(ServerError, match="address of this machine"):
        serve(create(store, None, site, token="x" * 16), "203.0.113.7", 0)


def test_a_port_is_free_again_after_stop(store: EventStore, site: Site) -> None:
    with serve(create(store, None, site), port=0) as first:
        port = int(first.url.rsplit(":", 1)[1])
        assert httpx.get(f"{first.url}/healthz").status_code == 200
    first.stop()  # a second call has no effect
    with serve(create(store, None, site), port=port) as second:
        assert httpx.get(f"{second.url}/healthz").status_code == 200
    assert not [thread for thread in threading.enumerate() if thread.name == "api"]


def test_an_app_that_does_not_start_is_an_error(store: EventStore, site: Site) -> None:
    app = create(store, None, site)

    @asynccontextmanager
    async def broken(_: FastAPI) -> AsyncIterator[None]:
        await anyio.Path("/nowhere").stat()
        yield

    app.router.lifespan_context = broken
    with pytest.raises(ServerError, match="did not start"):
        serve(app, port=0)
