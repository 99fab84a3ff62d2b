"""Who may come in: this machine alone, or whoever has the token; and no stranger's page in their browser.

The attacker that is thought of: a page on the internet, open in a browser that can reach this service (cross-site
requests, DNS rebinding), and anyone on the network when it is bound to more than this machine.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import error_response

COOKIE = "lanewatch"
SHIFT_S = 12 * 3600
"""A browser's session ends with the longest shift, so that yesterday's operator is not still in."""

SHORTEST = 16
"""Characters of a token: 16 random ones cannot be guessed over a network, so failures need no lock-out, with which
a stranger could shut the operators out."""

OPEN = ("/", "/healthz", "/readyz", "/v1/session", "/favicon.ico")
"""What needs no token: the page that asks for it, what it is asked with, and what a supervisor probes."""

WHO = "lanewatch.who"
"""Where in a request's scope it is noted who sends it."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class UnsafeAccessError(Exception):
    """The service would be open to whom it must not be."""


class TokenAuth:
    """The token, and the sessions of browsers that have shown it: they cannot send a header with a picture.

    A session is a signed name and the time of its end, so it survives a restart and needs no table.

    Args:
        token: None where this machine alone can reach the service.

    Raises:
        AccessError: the token is too short.
    """

    def __init__(self, token: str | None) -> None:
        if token is not None and len(token) < SHORTEST:
            raise UnsafeAccessError(
                f"the token has {len(token)} characters and needs {SHORTEST}: "
                "make one with `python3 -c 'import secrets; print(secrets.token_urlsafe())'`"
            )
        self._token = token

    @property
    def needed(self) -> bool:
        """Whether a token is demanded."""
        return self._token is not None

    def session(self, token: str) -> str | None:
        """The cookie's value for one who knows the token; None for one who doesn't."""
        if self._token is None or not _same(token, self._token):
            return None
        name = f"{secrets.token_hex(4)}.{int(time.time()) + SHIFT_S}"
        return f"{name}.{self._sign(name)}"

    def who(self, headers: Headers) -> str | None:
        """Who sends a request: ``local``, ``token``, ``session 1a2b3c4d``; None who may not come in."""
        if self._token is None:
            return "local"
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(given.strip(), self._token):
            return "token"
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return None
        name, _, signature = (morsel.value if morsel else "").rpartition(".")
        session, _, ends = name.partition(".")
        if not _same(signature, self._sign(name)) or int(ends) < time.time():
            return None
        return f"session {session}"

    def _sign(self, name: str) -> str:
        return hmac.new((self._token or "").encode(), name.encode(), hashlib.sha256).hexdigest()


class AuthMiddleware:
    """Middleware that lets a request in, or says why not.

    Args:
        app: What is guarded.
        keys: Who may come in.
        hosts: Names, apart from this machine's own, by which the service may be called without a token.
    """

    def __init__(self, app: ASGIApp, keys: TokenAuth, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._keys = keys
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._strange(scope, headers) or self._unknown(scope, headers)
        app = self._app if refusal is None else error_response(*refusal)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                _seal(MutableHeaders(scope=message))
            await send(message)

        await app(scope, receive, sealed)

    def _strange(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
        """Why a request looks as if a stranger's page had sent it."""
        host = headers.get("host", "")
        if not self._keys.needed and not self._ours(_name(host)):
            return 421, "unknown_host", f"this service is not called {host[:80]!r}: call it 127.0.0.1 or localhost"
        site, origin = headers.get("sec-fetch-site", "same-origin"), headers.get("origin")
        foreign = site in ("cross-site", "same-site") or (origin is not None and urlsplit(origin).netloc != host)
        if foreign and not (scope["method"] == "GET" and headers.get("sec-fetch-dest") == "document"):
            return 403, "cross_site", "requests from other sites' pages are refused"
        if scope["method"] in ("GET", "HEAD"):
            return None
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":  # what a page cannot send elsewhere without asking first
            return 415, "not_json", "send JSON, with Content-Type: application/json"
        return None

    def _unknown(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
        """Why the sender may not come in; notes in the scope who it is."""
        who = self._keys.who(headers)
        scope[WHO] = who
        if who is not None or scope["path"] in OPEN or scope["path"].startswith("/console/"):
            return None
        return 401, "token_needed", "send Authorization: Bearer TOKEN, or enter the token on the console's page"

    def _ours(self, name: str) -> bool:
        return name in self._hosts or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own and can be reached from nowhere else."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """A Host header without its port, in lower case."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _seal(headers: MutableHeaders) -> None:
    headers["Content-Security-Policy"] = POLICY
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Referrer-Policy"] = "no-referrer"
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-store")  # footage does not stay in a browser's cache
