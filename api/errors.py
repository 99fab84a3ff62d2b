"""Error responses: a code for programs, and a message with the fix for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.stages import UnavailableError

MAX_BODY_BYTES = 32 * 1024
"""The largest body that clients send is a verdict with its reason: 2,000 characters of up to 12 bytes as JSON."""

_CODES = {400: "invalid", 404: "not_found", 405: "method_not_allowed"}


class Problem(BaseModel):
    """The body of every error response."""

    code: str
    message: str


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": "An error: its code, and a message with the fix"}
    for status in ("4XX", "5XX")
}
"""The error responses of every route, for the API's description."""


class ProblemError(HTTPException):
    """Ends a request with an error response."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message, headers)
        self.code = code


class BodyLimitMiddleware:
    """Answers 413 to a larger body than ``MAX_BODY_BYTES``. The limit of FastAPI itself answers in plain text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0

        async def receive_limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise ProblemError(413, "too_large", f"the body has more than {MAX_BODY_BYTES} bytes")
            return message

        await self._app(scope, receive_limited, send)


def error_response(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error response as JSON."""
    challenge = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse({"code": code, "message": message}, status, {**(headers or {}), **challenge})


def install_handlers(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Makes every error of the app a ``Problem``. A 405 of these routes lists all methods of the path."""

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: Any) -> Response:
        code = error.code if isinstance(error, ProblemError) else _CODES.get(error.status_code, "refused")
        headers = dict(error.headers or {})
        if error.status_code == 405 and (methods := _methods(routes, request)):
            headers["Allow"] = ", ".join(methods)
        return error_response(error.status_code, code, str(error.detail), headers)

    @app.exception_handler(RequestValidationError)
    async def validation_error(_: Request, error: Any) -> Response:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        return error_response(422, "invalid", problems)

    @app.exception_handler(UnavailableError)
    async def store_unavailable(_: Request, error: Any) -> Response:
        return error_response(503, "store_unavailable", str(error), {"Retry-After": "2"})


def _methods(routes: Sequence[BaseRoute], request: Request) -> list[str]:
    """The methods of all routes of a request's path; Starlette itself lists those of the first route only."""
    matching = (route for route in routes if route.matches(request.scope)[0] != Match.NONE)
    return sorted({method for route in matching for method in getattr(route, "methods", ())})
