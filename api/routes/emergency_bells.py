"""Emergency bells: a press raises an event with the snapshot of the nearest camera."""

from __future__ import annotations

import math
import time
import uuid
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, StringConstraints

from api.camera_status import CameraStatusBoard
from api.errors import ProblemError
from api.response_models import EventResponse, event_response
from api.routes.events import find_event
from api.storage.event_store import PREFERRED_RUN, EventStore
from lanewatch import metrics
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera, EmergencyBell, Site
from lanewatch.records import Event, Factor, Peak
from streams.stages import Serve

KIND = "emergency_bell"
NAME = LocalizedName(ko="비상벨", en="Emergency bell")

SAME_CALL_S = 60.0
"""Presses within a minute are one call for help: people in need press more than once."""

_ID_NAMESPACE = uuid.UUID("5ad0b1de-0c4e-5d39-9c0b-6c1d4a1f7f10")
_EARTH_RADIUS_M = 6_371_000.0


class PressBody(BaseModel, extra="forbid", json_schema_extra={"examples": [{"note": "panel 7"}]}):
    """The body of a press: a note of the bell's controller, such as its number."""

    note: Annotated[str, StringConstraints(max_length=200)] = ""


def distance_m(latitude: float, longitude: float, camera: Camera) -> float:
    """Metres from a place to a camera, on a sphere (haversine)."""
    place, other = math.radians(latitude), math.radians(camera.latitude)
    across = math.radians(camera.longitude - longitude)
    half = math.sin((other - place) / 2) ** 2 + math.cos(place) * math.cos(other) * math.sin(across / 2) ** 2
    return 2 * _EARTH_RADIUS_M * math.asin(math.sqrt(half))


def nearest_camera(site: Site, bell: EmergencyBell) -> tuple[Camera, float]:
    """The camera of a bell, and its distance in metres: the one that the site file names, or the nearest.

    Raises:
        KeyError: The bell names a camera that the site does not have.
    """
    cameras = site.cameras if bell.camera is None else (site.camera(bell.camera),)
    distances = ((camera, distance_m(bell.latitude, bell.longitude, camera)) for camera in cameras)
    return min(distances, key=lambda pair: pair[1])


def press_event(
    site: Site, bell: EmergencyBell, at: float, previous: Event | None, *, run: str, note: str = ""
) -> Event:
    """The event of a press at ``at``, epoch seconds of capture time.

    ``previous`` is the bell's last event; a press within ``SAME_CALL_S`` is a revision of it.
    """
    camera, away = nearest_camera(site, bell)
    again = previous if previous is not None and 0 <= at - previous.updated_at <= SAME_CALL_S else None
    presses = 1 if again is None else int(again.factors[0].detail["presses"]) + 1
    revision = round(at * 1000)
    if again is not None:
        revision = max(revision, again.revision + 1)
    detail: dict[str, float | str] = {"presses": presses, "distance_m": round(away, 1)}
    if note:
        detail["note"] = note
    return Event(
        run=run,
        id=str(uuid.uuid5(_ID_NAMESPACE, f"{site.id}/{bell.id}/{revision}")) if again is None else again.id,
        camera=camera.id,
        kind=KIND,
        zone=bell.id,
        began_at=at if again is None else again.began_at,
        started_at=at if again is None else again.started_at,
        updated_at=at,
        ended_at=at,
        revision=revision,
        state="closed",  # a press has no duration, and the end of the emergency is not observed
        severity=3,
        score=1.0,
        factors=(Factor("press", 1.0, detail),),
        thresholds={"again_s": SAME_CALL_S},
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


def routes(store: EventStore, serve: Serve, cameras: CameraStatusBoard) -> APIRouter:
    """`/v1/bells/{id}`, for the bells of the site in effect."""
    router = APIRouter(prefix="/v1/bells", tags=["bells"])

    @router.post(
        "/{id}",
        summary="An emergency bell was pressed",
        description="Returns the event. Further presses within a minute are revisions of it.",
        status_code=201,
    )
    def press_bell(id: Annotated[str, Path(max_length=63)], body: PressBody | None = None) -> EventResponse:
        site = cameras.site
        bell = next((bell for bell in site.bells if bell.id == id), None)
        if bell is None:
            raise ProblemError(404, "no_such_bell", f"the site has no bell {id!r}: add it under `bells`")
        at = cameras.current_capture_time(nearest_camera(site, bell)[0].id)
        at = time.time() if at is None else at
        note = "" if body is None else body.note
        event = press_event(site, bell, at, store.last_bell_event(PREFERRED_RUN, id), run=PREFERRED_RUN, note=note)
        serve.upsert(event)
        metrics.EVENTS.labels(event.kind, event.state).inc()
        return event_response(find_event(store, event.id, event.run))

    return router
