"""Authentication by token or session cookie, and protection against requests from other websites.

The attackers considered: a page on the internet, open in a browser that reaches this service (cross-site requests, DNS
rebinding). And any machine on the network, if the service listens on more than the loopback address.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from fastapi import Request
from itsdangerous import BadSignature, TimestampSigner
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ProblemError, error_response

COOKIE_NAME = "lanewatch"
SESSION_S = 12 * 3600
"""A session lasts as long as the longest shift, so it does not pass to the next day's operator."""

MIN_TOKEN_LENGTH = 16
"""16 random characters cannot be guessed over a network. So failed attempts need no lock-out, which an attacker could
use to shut out the operators."""

PUBLIC_PATHS = ("/", "/healthz", "/readyz", "/v1/session", "/favicon.ico")
"""Paths without authentication: the login page, the login itself, and the probes of a supervisor."""

CONSOLE_PATH = "/console/"
PROXY_HINT = (
    "requests from pages of other websites are rejected: the page is {origin}, and the request's host is {host!r}. "
    "Behind a proxy, let it pass the browser's host on: in nginx `proxy_set_header Host $http_host;`, see "
    "docs/operations.md"
)

IDENTITY_KEY = "lanewatch.identity"
"""Key of the client's identity in a request's scope."""

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
    "img-src 'self'; media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class UnsafeAccessError(Exception):
    """The configuration would give access to clients that must not have it."""


class TokenAuth:
    """Checks tokens, and signs the session cookies of browsers, which can't send a header with an image.

    A session is a signed id with its time, so it survives a restart and needs no table. Without a token, only this
    machine can reach the service.

    Raises:
        UnsafeAccessError: The token is too short.
    """

    def __init__(self, token: str | None) -> None:
        if token is not None and len(token) < MIN_TOKEN_LENGTH:
            raise UnsafeAccessError(
                f"the token has {len(token)} characters and needs {MIN_TOKEN_LENGTH}: "
                "make one with `python3 -c 'import secrets; print(secrets.token_urlsafe())'`"
            )
        self.required = token is not None
        self._token = token
        self._signer = TimestampSigner(
            token or secrets.token_hex(), salt="session", key_derivation="hmac", digest_method=hashlib.sha256
        )

    def create_session(self, token: str) -> str | None:
        """A session cookie's value for the right token; None for a wrong one."""
        if self._token is None or not _equal(token, self._token):
            return None
        return self._signer.sign(secrets.token_hex(4)).decode()

    def identify(self, headers: Headers) -> str | None:
        """The client's identity: ``local``, ``token`` or ``session 1a2b3c4d``; None without valid credentials."""
        if self._token is None:
            return "local"
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _equal(credentials.strip(), self._token):
            return "token"
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE_NAME)
            session = self._signer.unsign(cookie.value if cookie else "", max_age=SESSION_S)
        except (CookieError, BadSignature):
            return None
        return f"session {session.decode()}"


class AuthMiddleware:
    """Rejects unauthenticated and cross-site requests, and sets the security headers of every response.

    ``hosts`` are accepted without a token, beside this machine's own names.
    """

    def __init__(self, app: ASGIApp, token_auth: TokenAuth, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._token_auth = token_auth
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        error = self._cross_site_error(scope, headers) or self._credentials_error(scope, headers)
        app = self._app if error is None else error_response(*error)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                response_headers = MutableHeaders(scope=message)
                response_headers.update(SECURITY_HEADERS)
                response_headers.setdefault("Cache-Control", "no-store")  # footage does not stay in a browser's cache
            await send(message)

        await app(scope, receive, send_with_headers)

    def _cross_site_error(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
        """The error of a request that a page of another website may have sent."""
        host = headers.get("host", "")
        if not self._token_auth.required and not self._accepts_host(host):
            return 421, "unknown_host", f"unknown host {host[:80]!r}: use 127.0.0.1 or localhost"
        site, origin = headers.get("sec-fetch-site", "same-origin"), headers.get("origin")
        other_host = origin is not None and urlsplit(origin).netloc != host
        reads = scope["method"] in ("GET", "HEAD")
        if reads and (headers.get("sec-fetch-dest") == "document" or _route_path(scope).startswith(CONSOLE_PATH)):
            return None  # a page that is opened, and its public files
        if site in ("cross-site", "same-site"):
            return 403, "cross_site", "requests from pages of other websites are rejected"
        if other_host:
            return 403, "cross_site", PROXY_HINT.format(origin=str(origin)[:80], host=host[:80])
        return None

    def _credentials_error(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
        """The error of a request without valid credentials. Writes the client's identity to the scope."""
        identity = self._token_auth.identify(headers)
        scope[IDENTITY_KEY] = identity
        path = _route_path(scope)
        if identity is not None or path in PUBLIC_PATHS or path.startswith(CONSOLE_PATH):
            return None
        return 401, "token_needed", "send Authorization: Bearer TOKEN, or enter the token on the console's page"

    def _accepts_host(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or is_loopback(name)


def require_json(request: Request) -> None:
    """Rejects a POST without JSON, of every route. A foreign page can't send JSON without a preflight request.

    For PUT, PATCH and DELETE, a foreign page always needs a preflight request.

    Raises:
        ProblemError: 415.
    """
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if request.method == "POST" and media_type != "application/json":
        raise ProblemError(415, "not_json", "send JSON, with Content-Type: application/json")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own and can't be reached from other machines."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _route_path(scope: Scope) -> str:
    """The path without ``--root-path``, as the router matches it."""
    return str(scope["path"]).removeprefix(scope["root_path"])


def _equal(left: str, right: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
