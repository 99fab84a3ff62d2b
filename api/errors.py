"""How the API says no: a code for programs, a message with the mend for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from streams.stages import UnavailableError

CODES = {404: "not_found", 405: "method_not_allowed"}


class Problem(msgspec.Struct, frozen=True):
    """What every refusal says."""

    code: str
    message: str


class ProblemError(Exception):
    """A request that is refused, from within a route."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


def error_response(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal as JSON."""
    body = msgspec.json.encode(Problem(code, message))
    more = dict(headers or {})
    if status == 401:
        more["WWW-Authenticate"] = "Bearer"
    return Response(body, status, more, "application/json")


def install(app: FastAPI) -> None:
    """Makes every refusal of the app one of these."""

    @app.exception_handler(ProblemError)
    async def problem(_: Request, error: Any) -> Response:
        return error_response(error.status, error.code, error.message, error.headers)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: Any) -> Response:
        return error_response(
            error.status_code, CODES.get(error.status_code, "refused"), str(error.detail), error.headers
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: Any) -> Response:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        return error_response(422, "invalid", wrong)

    @app.exception_handler(UnavailableError)
    async def unavailable(_: Request, error: Any) -> Response:
        return error_response(503, "store_unavailable", str(error), {"Retry-After": "2"})
