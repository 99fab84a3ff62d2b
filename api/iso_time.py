"""Instants in JSON: epoch seconds inside the code, ISO 8601 in UTC outside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import PlainSerializer, WithJsonSchema


def iso_time(seconds: float) -> str:
    """Epoch seconds as ISO 8601 in UTC, rounded to milliseconds."""
    moment = datetime.fromtimestamp(round(seconds, 3), UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def epoch_seconds(text: str) -> float:
    """The epoch seconds of an ISO 8601 instant.

    Raises:
        ValueError: The text is not ISO 8601, or has no offset from UTC.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an ISO 8601 time such as 2026-01-14T17:00:00Z") from error
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: add Z or +09:00 (%2B09:00 in a URL)")
    return moment.timestamp()


Instant = Annotated[
    float,
    PlainSerializer(iso_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Epoch seconds that a response shows as ISO 8601."""
