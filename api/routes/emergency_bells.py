"""Emergency bells: a press is an event, with the picture of the camera that is nearest."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from api import request_body, serialization
from api.camera_status import CameraStatusBoard
from api.errors import ProblemError
from api.openapi import json_response_spec, request_body_spec
from api.routes.events import find_event, json_body
from api.storage.event_store import EventStore
from lanewatch import metrics
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera, EmergencyBell, Site
from lanewatch.records import Event, Factor, Peak
from streams.stages import Serve

KIND = "emergency_bell"
NAME = LocalizedName(ko="비상벨", en="Emergency bell")

AGAIN_S = 60.0
"""Presses within a minute are one call for help: who is in need presses more than once."""

_IDS = uuid.UUID("5ad0b1de-0c4e-5d39-9c0b-6c1d4a1f7f10")
_EARTH_M = 6_371_000.0


class PressBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a bell's controller may say with a press: nothing, or what it has to add, such as its own number."""

    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


def distance_m(latitude: float, longitude: float, camera: Camera) -> float:
    """Metres from a place to a camera, over a sphere (haversine)."""
    one, other = math.radians(latitude), math.radians(camera.latitude)
    across = math.radians(camera.longitude - longitude)
    half = math.sin((other - one) / 2) ** 2 + math.cos(one) * math.cos(other) * math.sin(across / 2) ** 2
    return 2 * _EARTH_M * math.asin(math.sqrt(half))


def nearest_camera(site: Site, bell: EmergencyBell) -> tuple[Camera, float]:
    """The camera that sees a bell, and how many metres off it is.

    Raises:
        KeyError: the bell names a camera that the site does not have.
    """
    cameras = site.cameras if bell.camera is None else (site.camera(bell.camera),)
    return min(
        ((camera, distance_m(bell.latitude, bell.longitude, camera)) for camera in cameras), key=lambda pair: pair[1]
    )


def press_event(site: Site, bell: EmergencyBell, at: float, before: Event | None, *, run: str, note: str = "") -> Event:
    """The event of a press.

    Args:
        at: When, in the camera's capture time, epoch seconds.
        before: The bell's last event; a press that follows it closely is a revision of it.
    """
    camera, away = nearest_camera(site, bell)
    again = before if before is not None and 0 <= at - before.updated_at <= AGAIN_S else None
    presses = 1 if again is None else int(again.factors[0].detail["presses"]) + 1
    revision = round(at * 1000)
    if again is not None:
        revision = max(revision, again.revision + 1)
    detail: dict[str, float | str] = {"presses": presses, "distance_m": round(away, 1)}
    if note:
        detail["note"] = note
    return Event(
        run=run,
        id=str(uuid.uuid5(_IDS, f"{site.id}/{bell.id}/{revision}")) if again is None else again.id,
        camera=camera.id,
        kind=KIND,
        zone=bell.id,
        began_at=at if again is None else again.began_at,
        started_at=at if again is None else again.started_at,
        updated_at=at,
        ended_at=at,
        revision=revision,
        state="closed",  # a press is over when it is made; nobody tells when the need is
        severity=3,
        score=1.0,
        factors=(Factor("press", 1.0, detail),),
        thresholds={"again_s": AGAIN_S},
        sentence=_sentence(bell, camera, presses),
        tracks=(),
        peak=Peak(revision, at, (0.0, 0.0, 0.0, 0.0), 0, 0) if again is None else again.peak,
        model="",
        site=site.digest,
        onvif="Device/Trigger/DigitalInput",
    )


def _sentence(bell: EmergencyBell, camera: Camera, presses: int) -> dict[str, str]:
    times_ko = "" if presses == 1 else f" {presses}회"
    times_en = "" if presses == 1 else f" {presses} times"
    return {
        "ko": f"‘{bell.name.ko}’ 비상벨이{times_ko} 눌렸습니다. 가장 가까운 카메라: {camera.name.ko}.",
        "en": f"The emergency bell “{bell.name.en}” was pressed{times_en}. Nearest camera: {camera.name.en}.",
    }


def routes(
    store: EventStore, serve: Serve, cameras: CameraStatusBoard, *, run: str, clock: Callable[[], float] = time.time
) -> APIRouter:
    """`/v1/bells/{id}`, of the site that the cameras show at the time of the press."""
    router = APIRouter(prefix="/v1/bells", tags=["bells"])

    @router.post(
        "/{id}",
        summary="An emergency bell was pressed",
        description="Answers with the event. Further presses within a minute belong to the same one.",
        responses=json_response_spec("StoredEvent", "The event of the press", status=201),
        openapi_extra=request_body_spec("PressBody", required=False),
        status_code=201,
    )
    def pressed(id: Annotated[str, Path(max_length=63)], said: Annotated[PressBody, Depends(_press)]) -> Response:
        site = cameras.site
        bell = next((bell for bell in site.bells if bell.id == id), None)
        if bell is None:
            raise ProblemError(404, "no_such_bell", f"the site has no bell {id!r}: add it under `bells`")
        at = cameras.now(nearest_camera(site, bell)[0].id)
        event = press_event(site, bell, clock() if at is None else at, store.bell(run, id), run=run, note=said.note)
        serve.upsert(event)
        metrics.EVENTS.labels(event.kind, event.state).inc()
        return json_body(serialization.event_json(find_event(store, event.id, event.run)), 201)

    return router


async def _press(request: Request) -> PressBody:
    return await request_body.read(request, PressBody, empty=b"{}")
