"""Puts the service of a control centre together: routes, console, authentication, errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import Depends, FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from api import errors, openapi
from api.auth import AuthMiddleware, TokenAuth, UnsafeAccessError, require_json
from api.camera_status import CameraStatusBoard
from api.event_sink import EventSink
from api.event_stream import EventStream
from api.evidence.scheduler import EvidenceScheduler
from api.proxy import Network, TrustedProxyMiddleware
from api.routes import audit, emergency_bells, events, health, login, media
from api.routes import site as site_routes
from api.storage.event_store import EventStore
from lanewatch.config.site import Site

CONSOLE_FOLDER = Path(__file__).parent / "console"


def create(
    store: EventStore,
    evidence: EvidenceScheduler | None,
    site: Site,
    *,
    cameras: CameraStatusBoard | None = None,
    token: str | None = None,
    hosts: Iterable[str] = (),
    trusted_proxies: Sequence[Network] = (),
    root_path: str = "",
    event_stream: EventStream | None = None,
    store_waits: Callable[[], bool] = lambda: False,
) -> FastAPI:
    """Makes the service over a store.

    Args:
        evidence: The snapshots and clips; None serves none.
        site: The names, bells and time zone that are shown without ``cameras``.
        cameras: The status of the cameras, and the site in effect; without it all cameras are waiting.
        token: Required of all clients; None accepts only requests to this machine's own names.
        hosts: More host names that are accepted without a token, such as a local proxy's.
        trusted_proxies: Networks whose forwarded host, scheme and client address count.
        root_path: Path under which a proxy serves this service, such as ``/lanewatch``; the proxy removes it.
        event_stream: None makes one with the default settings.
        store_waits: Whether events wait because the store is unavailable; `/readyz` says so.

    Raises:
        UnsafeAccessError: The token is too short, or it is missing behind a proxy.
    """
    token_auth = TokenAuth(token)
    if trusted_proxies and not token_auth.required:
        raise UnsafeAccessError("--trusted-proxy opens the footage to other machines: set LANEWATCH_TOKEN")
    board = cameras or CameraStatusBoard(lambda: site)
    stream = event_stream or EventStream(store)
    thumbnails = audit.ThumbnailPages()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stream.start()
        yield
        stream.close()

    app = FastAPI(
        title="Lanewatch",
        version=version("lanewatch"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=errors.RESPONSES,
        dependencies=[Depends(require_json)],
    )
    app.state.event_stream = stream
    app.state.token_required = token_auth.required
    app.state.root_path = root_path
    app.add_middleware(errors.BodyLimitMiddleware)
    app.add_middleware(AuthMiddleware, token_auth, hosts)
    if trusted_proxies:
        app.add_middleware(TrustedProxyMiddleware, trusted_proxies)
    routers = [
        login.routes(token_auth),
        events.routes(store, stream, thumbnails),
        media.routes(store, None if evidence is None else evidence.file_path, thumbnails),
        audit.routes(store),
        emergency_bells.routes(store, EventSink(store, evidence), board),
        site_routes.routes(board),
        health.routes(store, evidence, store_waits),
    ]
    for router in routers:
        app.include_router(router)
    errors.install_handlers(app, [route for router in routers for route in router.routes])
    app.mount("/console", StaticFiles(directory=CONSOLE_FOLDER), name="console")

    openapi.install(app, token_required=token_auth.required)

    @app.get("/", include_in_schema=False)
    async def console_page() -> Response:
        return FileResponse(CONSOLE_FOLDER / "index.html", media_type="text/html; charset=utf-8")

    return app
