"""What a supervisor asks: is it there, can it serve, how much has it done."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from api.evidence.scheduler import EvidenceScheduler
from api.routes.events import json_body
from api.storage.event_store import EventStore
from streams.stages import UnavailableError


def routes(store: EventStore, evidence: EvidenceScheduler | None) -> APIRouter:
    """`/healthz`, `/readyz` and `/metrics`."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Whether the process answers")
    async def healthy() -> Response:
        return json_body({"status": "ok"})

    @router.get("/readyz", summary="Whether events can be read and evidence written; 503 and why, where not")
    def ready() -> Response:
        wrong = list(_wrong(store, evidence))
        return json_body({"status": "unready" if wrong else "ok", "wrong": wrong}, 503 if wrong else 200)

    @router.get("/metrics", summary="Counters, for Prometheus", response_class=Response)
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


def _wrong(store: EventStore, evidence: EvidenceScheduler | None) -> list[str]:
    wrong = []
    try:
        store.position()
    except UnavailableError:
        wrong.append("store")
    if evidence is not None:
        if not evidence.alive:
            wrong.append("evidence")
        if not evidence.room:
            wrong.append("disk_full")
    return wrong
