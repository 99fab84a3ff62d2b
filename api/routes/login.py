"""A browser's way in: it shows the token once and gets a cookie, which its pictures and its feed then carry."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api import request_body
from api.auth import COOKIE, SHIFT_S, WHO, TokenAuth
from api.errors import ProblemError
from api.routes.events import json_body


class LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a browser sends to come in."""

    token: Annotated[str, msgspec.Meta(max_length=512)]


def routes(keys: TokenAuth) -> APIRouter:
    """`/v1/session`."""
    router = APIRouter(prefix="/v1/session", tags=["session"])

    @router.get("", summary="Whether a token is needed, and who one is")
    async def session(request: Request) -> Response:
        return json_body({"needed": keys.needed, "who": request.scope.get(WHO)})

    @router.post("", summary="Show the token and get a session's cookie", status_code=204)
    async def enter(request: Request, shown: Annotated[LoginBody, Depends(_shown)]) -> Response:
        value = keys.session(shown.token)
        if value is None:
            raise ProblemError(401, "wrong_token", "this is not the token that the service was started with")
        response = Response(status_code=204)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, value, max_age=SHIFT_S, httponly=True, samesite="strict", secure=secure)
        return response

    @router.delete("", summary="End the browser's session", status_code=204)
    async def leave() -> Response:
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    return router


async def _shown(request: Request) -> LoginBody:
    return await request_body.read(request, LoginBody)
