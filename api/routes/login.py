"""Login of a browser: it sends the token once, and gets a session cookie for its images and its event stream."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, StringConstraints
from starlette.responses import Response

from api.auth import COOKIE_NAME, IDENTITY_KEY, SESSION_S, TokenAuth
from api.errors import ProblemError
from api.response_models import SessionResponse


class LoginBody(BaseModel, extra="forbid"):
    """The body of a login."""

    token: Annotated[str, StringConstraints(max_length=512)]


def cookie_path(request: Request) -> str:
    """The path below which the browser sends the cookie: not to other services of the same proxy."""
    return str(request.scope["root_path"]) or "/"


def routes(token_auth: TokenAuth) -> APIRouter:
    """`/v1/session`."""
    router = APIRouter(prefix="/v1/session", tags=["session"])

    @router.get("", summary="Whether a token is required, and the caller's identity")
    async def session(request: Request) -> SessionResponse:
        return SessionResponse(needed=token_auth.required, who=request.scope.get(IDENTITY_KEY))

    @router.post("", summary="Send the token and get a session cookie", status_code=204)
    async def login(request: Request, body: LoginBody) -> Response:
        value = token_auth.create_session(body.token)
        if value is None:
            raise ProblemError(401, "wrong_token", "this is not the token with which the service was started")
        response = Response(status_code=204)
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE_NAME,
            value,
            max_age=SESSION_S,
            path=cookie_path(request),
            httponly=True,
            samesite="strict",
            secure=secure,
        )
        return response

    @router.delete("", summary="End the browser's session", status_code=204)
    async def logout(request: Request) -> Response:
        response = Response(status_code=204)
        response.delete_cookie(COOKIE_NAME, path=cookie_path(request), httponly=True, samesite="strict")
        return response

    return router
