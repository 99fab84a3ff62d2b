"""What the console shows around the events: the centre's name and note, and how its cameras are."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api import wire
from api.cameras import Cameras
from api.events import json
from api.schema import says


def routes(cameras: Cameras) -> APIRouter:
    """`/v1/site` and `/v1/cameras`."""
    router = APIRouter(prefix="/v1", tags=["centre"])

    @router.get("/site", summary="The centre's name, time zone and note")
    def centre() -> Response:
        site = cameras.site
        return json(
            {
                "id": site.id,
                "name": site.name.model_dump(),
                "note": None if site.note is None else site.note.model_dump(),
                "time_zone": site.time_zone,
                "bells": {bell.id: bell.name.model_dump() for bell in site.bells},
                "digest": site.digest,
            }
        )

    @router.get("/cameras", summary="How the cameras are", responses=says("CameraList", "All cameras of the site"))
    def list_cameras() -> Response:
        return json({"cameras": [wire.plain(view) for view in cameras.views()]})

    return router
