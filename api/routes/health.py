"""Probes and metrics for a supervisor."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from api.evidence.scheduler import EvidenceScheduler
from api.response_models import HealthResponse, ReadinessResponse
from api.storage.event_store import EventStore
from streams.stages import UnavailableError


def routes(
    store: EventStore, evidence: EvidenceScheduler | None, store_waits: Callable[[], bool] = lambda: False
) -> APIRouter:
    """`/healthz`, `/readyz` and `/metrics`; ``store_waits``: whether events wait because the store is unavailable."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Whether the process responds")
    async def health() -> HealthResponse:
        return HealthResponse(status="ok")

    @router.get(
        "/readyz", summary="Whether events can be read and stored, and evidence written; 503 with the reason if not"
    )
    def readiness(response: Response) -> ReadinessResponse:
        problems = []
        try:
            store.position()
            if store_waits():
                problems.append("store")
        except UnavailableError:
            problems.append("store")
        if evidence is not None and not evidence.is_alive:
            problems.append("evidence")
        if evidence is not None and not evidence.has_disk_space:
            problems.append("disk_full")
        if problems:
            response.status_code = 503
        return ReadinessResponse(status="unready" if problems else "ok", wrong=problems)

    @router.get("/metrics", summary="Counters, for Prometheus", response_class=Response)
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
