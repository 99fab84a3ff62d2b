"""The service on a port, in a thread of the process that watches."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from contextlib import suppress
from types import TracebackType

import uvicorn
from fastapi import FastAPI

from api.auth import UnsafeAccessError, is_loopback

GRACE_S = 3.0
"""How long answers under way may take to end; a clip of some MB takes less on any network that shows it at all."""

_START_S = 10.0

_UNACKNOWLEDGED_MS = 60_000
"""After this the kernel gives up on a client that takes nothing: a cut-off subscriber's connection would otherwise
stay, with what could not be sent, for as long as the client likes."""


class ServerError(OSError):
    """The service cannot be had at this address."""


class Server:
    """A running service; ``serve`` makes one. Leaving its context stops it."""

    def __init__(self, app: FastAPI, listening: socket.socket) -> None:
        host, port = listening.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._app = app
        self._socket = listening
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # anyone on this machine could write another's address into the audit
            timeout_graceful_shutdown=int(GRACE_S),
        )
        self._server = _Uvicorn(config)
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)
        self._thread.start()
        if not self._server.up.wait(_START_S) or not self._server.started:
            self.stop()
            raise ServerError(errno.EIO, f"the service did not start on {self.url}; its log says why")

    def stop(self) -> None:
        """Ends the subscriptions and what is under way, and waits for it. Harmless when done twice."""
        self._app.state.feed.close()
        self._server.should_exit = True
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            with suppress(SystemExit):  # uvicorn's way to say that the app did not start; its log has said why
                asyncio.run(self._server.serve(sockets=[self._socket]))
        finally:
            self._server.up.set()
            self._socket.close()


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


def serve(app: FastAPI, host: str = "127.0.0.1", port: int = 8000) -> Server:
    """Serves an app of ``api.app.create`` from a thread; port 0 takes a free one.

    Raises:
        AccessError: it would be open to the network without a token.
        ServerError: the port is taken, or the address is not this machine's.
    """
    return Server(app, listen(host, port, guarded=app.state.guarded))


def listen(host: str, port: int, *, guarded: bool) -> socket.socket:
    """Takes a port, so that a service may be made for it.

    Args:
        guarded: Whether the service will demand a token.

    Raises:
        AccessError: it would be open to the network without a token.
        ServerError: the port is taken, or the address is not this machine's.
    """
    if not is_loopback(host) and not guarded:
        raise UnsafeAccessError(
            f"{host} can be reached from other machines, and footage may not be open to all of them: "
            "set LANEWATCH_TOKEN (at least 16 characters), or serve on 127.0.0.1"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP, since asyncio else doesn't take it for that and leaves Nagle's algorithm on: 40 ms on every answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted connections inherit it
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise ServerError(error.errno, _why(error, host, port)) from error
    return listening


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken by another program: end that one (`ss -ltnp 'sport = :{port}'` shows it), "
            f"or choose another port with --port {port + 1}"
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights than this user has: choose one above 1023 with --port 8000"
    return f"{host}:{port} cannot be listened on ({error.strerror}): see that it is an address of this machine"
