"""The control centre's service, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from api import errors, openapi
from api.auth import AuthMiddleware, TokenAuth
from api.camera_status import CameraStatusBoard
from api.event_sink import EventSink
from api.event_stream import EventStream
from api.evidence.scheduler import EvidenceScheduler
from api.routes import audit, emergency_bells, events, health, login, media
from api.routes import site as site_routes
from api.routes.events import VerdictBody
from api.storage.event_store import PREFERRED_RUN, EventStore
from lanewatch.config.site import Site

CONSOLE = Path(__file__).parent / "console"


def create(
    store: EventStore,
    evidence: EvidenceScheduler | None,
    site: Site,
    *,
    cameras: CameraStatusBoard | None = None,
    token: str | None = None,
    hosts: Iterable[str] = (),
    run: str = PREFERRED_RUN,
    feed: EventStream | None = None,
) -> FastAPI:
    """The service over a store.

    Args:
        store: The events.
        evidence: Their pictures; without it none are shown.
        site: Names for people, bells, the time zone.
        cameras: How the cameras are, and the site that is shown when it changes; without it all of them are waiting.
        token: Demanded of everyone where it is set; without it only this machine's own names are answered to.
        hosts: Other names by which the service may be called without a token, such as a local proxy's.
        run: The run that a bell's press belongs to.
        feed: The live feed, where it is not to be as usual.

    Raises:
        AccessError: the token is too short.
    """
    keys = TokenAuth(token)
    board = cameras or CameraStatusBoard(lambda: site)
    feed = feed or EventStream(store)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        feed.start()
        yield
        feed.close()

    app = FastAPI(title="Lanewatch", version=version("lanewatch"), lifespan=life, docs_url=None, redoc_url=None)
    app.state.feed = feed
    app.state.guarded = keys.needed
    app.add_middleware(AuthMiddleware, keys, hosts)
    errors.install(app)
    app.include_router(login.routes(keys))
    app.include_router(events.routes(store, feed))
    app.include_router(media.routes(store, None if evidence is None else evidence.path))
    app.include_router(audit.routes(store))
    app.include_router(emergency_bells.routes(store, EventSink(store, evidence), board, run=run))
    app.include_router(site_routes.routes(board))
    app.include_router(health.routes(store, evidence))
    app.mount("/console", StaticFiles(directory=CONSOLE), name="console")
    app.add_api_route("/", _page, include_in_schema=False)
    openapi.install(app, VerdictBody, emergency_bells.PressBody)
    return app


async def _page() -> Response:
    return FileResponse(CONSOLE / "index.html", media_type="text/html; charset=utf-8")
