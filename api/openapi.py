"""The API's description: schemas are made from the records, so there is nothing to keep in step."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from api import serialization
from api.camera_status import CameraStatus
from api.errors import Problem
from api.serialization import AccessRecord, Verdict
from lanewatch.records import Event

_EVIDENCE = ("pending", "partial", "ready", "failed")
_INSTANT = {"type": "string", "format": "date-time"}
_ABSENT = {"type": "null"}


def ref(name: str) -> dict[str, str]:
    """A reference to a schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def json_response_spec(
    name: str, description: str, *, media_type: str = "application/json", status: int = 200
) -> dict[int | str, dict[str, Any]]:
    """A route's answers: what it says, and how it refuses."""
    refusal = {"description": "Refused: why, and the mend", "content": {"application/json": {"schema": ref("Problem")}}}
    return {
        status: {"description": description, "content": {media_type: {"schema": ref(name)}}},
        "4XX": refusal,
        "5XX": refusal,
    }


def media_response_spec(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """A route's answers where it shows footage."""
    answers = json_response_spec("Problem", description)
    answers[200]["content"] = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return answers


def request_body_spec(name: str, *, required: bool = True) -> dict[str, Any]:
    """A route's request body."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": ref(name)}}}}


def install(app: FastAPI, *more: type[Any]) -> None:
    """Adds the records' schemas to the app's description."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = plain()
            schemas = description.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(serialization.record_schemas((Event, Verdict, CameraStatus, AccessRecord, Problem, *more)))
            schemas.update(_composed())
        return app.openapi_schema or {}

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way of extending it


def _composed() -> dict[str, Any]:
    medium = _object(
        status={"enum": list(_EVIDENCE)},
        reason={"type": "string"},
        started_at={"anyOf": [_INSTANT, _ABSENT]},
        ended_at={"anyOf": [_INSTANT, _ABSENT]},
        url={"type": ["string", "null"], "description": "From where it can be had; null where it can't"},
    )
    evidence = _object(
        status={"enum": list(_EVIDENCE)}, reason={"type": "string"}, snapshot=ref("MediaFile"), clip=ref("MediaFile")
    )
    more = _object(
        position={"type": "integer", "description": "The revision's place in the feed"},
        opened_at={**_INSTANT, "description": "Capture time at which the alarm was raised"},
        evidence=ref("Evidence"),
        verdicts={"type": "array", "items": ref("Verdict")},
    )
    return {
        "MediaFile": medium,
        "Evidence": evidence,
        "StoredEvent": {"allOf": [ref("Event"), more]},
        "EventPage": _object(
            events={"type": "array", "items": ref("StoredEvent")},
            next={"type": ["string", "null"], "description": "Cursor of the next page; null on the last"},
            position={"type": "integer", "description": "Where the live feed goes on from this list: `?after=`"},
        ),
        "CameraList": _object(cameras={"type": "array", "items": ref("CameraStatus")}),
        "AccessLog": _object(looks={"type": "array", "items": ref("AccessRecord")}),
        "FeedText": {"type": "string", "description": "Server-sent events; each plain message's data is a StoredEvent"},
    }


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
