"""Small JSON bodies of requests."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from fastapi import Request

from api.errors import ProblemError

T = TypeVar("T")

LARGEST = 16 * 1024
"""Bytes. The longest thing that is sent is a verdict's reason."""


async def read(request: Request, kind: type[T], *, empty: bytes | None = None) -> T:
    """A request's body as ``kind``; ``empty`` stands for no body where that is allowed.

    Raises:
        ProblemError: it is too large, no JSON, or something else than was asked for.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise ProblemError(413, "too_large", f"at most {LARGEST} bytes")
    try:
        return msgspec.json.decode(bytes(body) or empty or b"", type=kind)
    except msgspec.DecodeError as error:
        raise ProblemError(422, "invalid", f"the body is not what is asked for: {error}") from error
