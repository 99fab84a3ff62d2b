"""What the console shows around the events: the centre's name and note, what events are called, how its cameras are."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api import serialization
from api.camera_status import CameraStatusBoard
from api.openapi import json_response_spec
from api.routes import emergency_bells
from api.routes.events import json_body
from detectors.behaviours.registry import behaviours_of
from detectors.correlation.correlator import CORRELATIONS
from lanewatch.config.site import Site


def routes(cameras: CameraStatusBoard) -> APIRouter:
    """`/v1/site` and `/v1/cameras`."""
    router = APIRouter(prefix="/v1", tags=["centre"])

    @router.get("/site", summary="The centre's name, time zone and note, and what its events are called")
    def centre() -> Response:
        site = cameras.site
        return json_body(
            {
                "id": site.id,
                "name": site.name.model_dump(),
                "note": None if site.note is None else site.note.model_dump(),
                "time_zone": site.time_zone,
                "bells": {bell.id: bell.name.model_dump() for bell in site.bells},
                "kinds": _kinds(site),
                "digest": site.digest,
            }
        )

    @router.get(
        "/cameras", summary="How the cameras are", responses=json_response_spec("CameraList", "All cameras of the site")
    )
    def list_cameras() -> Response:
        return json_body({"cameras": [serialization.to_json(view) for view in cameras.views()]})

    return router


def _kinds(site: Site) -> dict[str, dict[str, str]]:
    """What each kind of event is called, in both languages."""
    names = {emergency_bells.KIND: emergency_bells.NAME}
    names |= {kind: one.name for kind, one in behaviours_of(site).items()}
    names |= {one.kind: one.name for one in CORRELATIONS}
    return {kind: name.model_dump() for kind, name in names.items()}
