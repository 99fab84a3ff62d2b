"""Requests that a reverse proxy passes on: the browser's address, host and scheme, if the proxy is trusted.

Anyone can write these headers. So they count only from the addresses of ``--trusted-proxy``. A proxy that is not
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
        ValueError: one of them is no address.
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

    uvicorn reads ``X-Forwarded-For`` and ``-Proto``. The host is ``X-Forwarded-Host``; nginx sends none by itself.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self._app = app
        self._with_address = ProxyHeadersMiddleware(app, trusted_hosts=[str(network) for network in trusted])  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._is_trusted(scope):
            await self._app(scope, receive, send)
            return
        forwarded = Headers(scope=scope).get("x-forwarded-host", "").partition(",")[0].strip()
        if forwarded:
            scope = {**scope, "headers": list(scope["headers"])}
            MutableHeaders(scope=scope)["host"] = forwarded
        await self._with_address(scope, receive, send)  # type: ignore[arg-type]

    def _is_trusted(self, scope: Scope) -> bool:
        try:
            address = ipaddress.ip_address((scope.get("client") or ("",))[0])
        except ValueError:
            return False
        return any(address in network for network in self._trusted)
