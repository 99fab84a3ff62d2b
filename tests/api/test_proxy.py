"""Requests through a reverse proxy: forwarded headers count from trusted addresses only."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from api.proxy import TrustedProxyMiddleware, parse_networks

FORWARDED = {"X-Forwarded-For": "10.7.7.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "centre.kr:8443"}


async def show(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that answers with what it sees of the client."""
    host = dict(scope["headers"])[b"host"].decode()
    body = f"{scope['client'][0]} {scope['scheme']} {host}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def seen(peer: str, trusted: list[str], headers: dict[str, str]) -> str:
    app: Any = TrustedProxyMiddleware(show, parse_networks(trusted))
    transport = httpx.ASGITransport(app, client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://upstream") as client:
        return (await client.get("/", headers=headers)).text


@pytest.mark.parametrize(
    ("peer", "trusted", "headers", "expected"),
    [
        ("10.0.0.5", ["10.0.0.5"], FORWARDED, "10.7.7.7 https centre.kr:8443"),
        ("10.0.0.5", ["192.168.0.0/16", "10.0.0.0/24"], FORWARDED, "10.7.7.7 https centre.kr:8443"),
        ("::1", ["::1"], FORWARDED, "10.7.7.7 https centre.kr:8443"),
        ("10.0.1.5", ["10.0.0.0/24"], FORWARDED, "10.0.1.5 http upstream"),  # any client may send them
        ("10.0.0.5", ["10.0.0.5"], {}, "10.0.0.5 http upstream"),
        (
            "10.0.0.5",
            ["10.0.0.5"],
            FORWARDED | {"X-Forwarded-For": "6.6.6.6, 10.7.7.7"},
            "10.7.7.7 https centre.kr:8443",
        ),
        (
            "10.0.0.5",
            ["10.0.0.5"],
            FORWARDED | {"X-Forwarded-Host": "evil.example, centre.kr:8443"},  # the proxy appended the second
            "10.7.7.7 https centre.kr:8443",
        ),
    ],
)
def test_forwarded_headers_count_from_trusted_addresses(
    peer: str, trusted: list[str], headers: dict[str, str], expected: str
) -> None:
    assert asyncio.run(seen(peer, trusted, headers)) == expected


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"--trusted-proxy nginx: .*10\.0\.0\.5"):
        parse_networks(["nginx"])
