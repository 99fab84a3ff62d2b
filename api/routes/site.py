"""The site and the status of its cameras, which the console shows around the events."""

from __future__ import annotations

from fastapi import APIRouter

from api.camera_status import CameraStatusBoard
from api.camera_trouble import camera_trouble_kinds
from api.response_models import CameraList, SiteResponse
from api.routes import emergency_bells
from detectors.behaviours.registry import behaviours_of
from detectors.correlation.correlator import CORRELATIONS


def routes(cameras: CameraStatusBoard) -> APIRouter:
    """`/v1/site` and `/v1/cameras`."""
    router = APIRouter(prefix="/v1", tags=["centre"])

    @router.get("/site", summary="The site's name, time zone and note, and the names of its kinds of events")
    def get_site() -> SiteResponse:
        site = cameras.site
        names = {emergency_bells.KIND: emergency_bells.NAME}
        names |= {kind: behaviour.name for kind, behaviour in behaviours_of(site).items()}
        names |= {correlation.kind: correlation.name for correlation in CORRELATIONS}
        return SiteResponse(
            id=site.id,
            name=site.name,
            note=site.note,
            time_zone=site.time_zone,
            bells={bell.id: bell.name for bell in site.bells},
            kinds=names,
            camera_trouble=sorted(camera_trouble_kinds()),
            digest=site.digest,
        )

    @router.get("/cameras", summary="The status of all cameras")
    def list_cameras() -> CameraList:
        return CameraList(cameras=cameras.statuses())

    return router
