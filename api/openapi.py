"""The description of the API at ``/openapi.json``: FastAPI's, with what FastAPI cannot know.

FastAPI sees neither the authentication nor the content type, because middleware checks both before the routes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from api.auth import COOKIE_NAME, PUBLIC_PATHS
from api.errors import RESPONSES

Operation = dict[str, Any]

SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token with which the service was started"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE_NAME,
        "description": "A browser's session, from POST /v1/session",
    },
}
CREDENTIALS: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}]
NO_CREDENTIALS: dict[str, list[str]] = {}


def install(app: FastAPI, *, token_required: bool) -> None:
    """Makes ``app.openapi()`` return the complete description. Without a token, credentials are optional."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = generate()
            description["components"]["securitySchemes"] = SECURITY_SCHEMES
            description["security"] = CREDENTIALS if token_required else [NO_CREDENTIALS, *CREDENTIALS]
            for path, method, operation in _operations(description):
                _complete(path, method, operation)
        return app.openapi_schema or description

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _operations(description: dict[str, Any]) -> Iterator[tuple[str, str, Operation]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _complete(path: str, method: str, operation: Operation) -> None:
    """Adds the middleware's answers. Errors are JSON, also where the answer itself is a picture or a stream."""
    responses = operation["responses"]
    error_content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in RESPONSES:
        responses[str(status)]["content"] = error_content
    if path in PUBLIC_PATHS:
        operation["security"] = []
    else:
        responses["401"] = {"description": "Neither the token nor a session", "content": error_content}
    if method == "post":
        operation["requestBody"]["required"] = True
        responses["415"] = {"description": "The Content-Type is not application/json", "content": error_content}
