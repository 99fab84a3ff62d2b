"""Requests that a reverse proxy passes on: the browser's address, host and scheme, if the proxy is trusted.

Any client can write these headers. So they count only from the addresses of ``--trusted-proxy``. A proxy that is not
trusted is a client like any other: its address stands in the audit, and its host must be the browser's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks of addresses such as ``10.0.0.5`` or ``10.0.0.0/24``.

    Raises:
        ValueError: A text is not an address.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            raise ValueError(f"--trusted-proxy {text}: write an address or a network, such as 10.0.0.5") from None
    return tuple(networks)


class TrustedProxyMiddleware:
    """Gives requests from trusted proxies the browser's host, scheme and address.

    uvicorn reads ``X-Forwarded-For`` and ``-Proto``; this class reads ``-Host``. Of several hosts the last counts: the
    trusted proxy wrote it. Those before it may come from the client.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[Network]) -> None:
        self._app = ProxyHeadersMiddleware(app, trusted_hosts=[str(network) for network in trusted])  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address, _ = scope.get("client") or (None, None)
        if scope["type"] == "http" and address in self._app.trusted_hosts:
            hosts = ",".join(Headers(scope=scope).getlist("x-forwarded-host"))
            if host := hosts.rpartition(",")[2].strip():
                MutableHeaders(scope=scope)["host"] = host
        await self._app(scope, receive, send)  # type: ignore[arg-type]
