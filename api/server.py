"""Runs the service on a port, in a thread of this process."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from contextlib import suppress
from typing import Self

import uvicorn
from fastapi import FastAPI

from api.auth import UnsafeAccessError, is_loopback

SHUTDOWN_TIMEOUT_S = 3.0
"""How long open responses may take to end. A clip of some MB takes less on any usable network."""

_START_TIMEOUT_S = 10.0

_UNACKNOWLEDGED_TIMEOUT_MS = 60_000
"""After this the kernel drops a client that accepts no data, which would otherwise stay connected with its data."""


class ServerError(OSError):
    """The service can't run at this address."""


class Server:
    """A running service; ``serve`` starts one. Leaving its context stops it."""

    def __init__(self, app: FastAPI, listening: socket.socket) -> None:
        host, port = listening.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._app = app
        self._socket = listening
        config = uvicorn.Config(
            app,
            log_config=None,  # its lines look like all others
            log_level="warning",
            access_log=False,
            server_header=False,
            root_path=app.state.root_path,
            proxy_headers=False,  # else any local process could write a false address into the audit
            timeout_graceful_shutdown=int(SHUTDOWN_TIMEOUT_S),
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.002)
        if not self._server.started:
            self.stop()
            raise ServerError(errno.EIO, f"the service did not start on {self.url}; the reason is in its log")

    def stop(self) -> None:
        """Ends all subscriptions and open responses, and waits for them. It may be called twice."""
        self._app.state.event_stream.close()
        self._server.should_exit = True
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        # uvicorn exits with SystemExit if the app does not start; the reason is in its log.
        with suppress(SystemExit), self._socket:
            asyncio.run(self._server.serve(sockets=[self._socket]))


def serve(app: FastAPI, host: str = "127.0.0.1", port: int = 8000) -> Server:
    """Serves an app of ``api.app.create`` in a thread; port and errors are those of ``listen``."""
    return Server(app, listen(host, port, token_required=app.state.token_required))


def listen(host: str, port: int, *, token_required: bool) -> socket.socket:
    """Opens a port before its service is made; port 0 chooses a free port.

    Raises:
        UnsafeAccessError: The service would be open to the network without a token.
        ServerError: The port is in use, or the address is not this machine's.
    """
    if not is_loopback(host) and not token_required:
        raise UnsafeAccessError(
            f"{host} can be reached from other machines, and footage must not be open to all of them: "
            "set LANEWATCH_TOKEN (at least 16 characters), or serve on 127.0.0.1"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the explicit protocol, asyncio leaves Nagle's algorithm on: 40 ms for every response.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted connections inherit it
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_TIMEOUT_MS)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise ServerError(error.errno, _listen_error(error, host, port)) from error
    return listening


def _listen_error(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use by another program: stop it (`ss -ltnp 'sport = :{port}'` shows it), "
            f"or choose another port with --port {port + 1}"
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs more privileges: choose one above 1023, for example with --port 8000"
    return f"{host}:{port} cannot be opened ({error.strerror}): check that it is an address of this machine"
