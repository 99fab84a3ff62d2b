"""Cameras that accept a connection and then send nothing, too little, or only for a moment. On loopback, over HTTP."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np

BOUNDARY = b"frame"
SEND_EVERY_S = 4.0
"""Of a camera that sends too little: each picture comes after the camera counts as lost."""


class SilentCamera(socketserver.BaseRequestHandler):
    """One connection. The path of the request is the fault.

    ``/nothing`` never answers. ``/header`` answers without a picture. ``/once`` sends one picture. ``/seldom`` sends
    one every ``SEND_EVERY_S``. ``/hang-up`` answers and closes.
    """

    def handle(self) -> None:
        """Plays the fault until the client goes."""
        fault = self.request.recv(4096).split(b" ")[1:2] or [b"/nothing"]
        with contextlib.suppress(OSError):
            if fault[0] != b"/nothing":
                head = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=%s\r\n\r\n" % BOUNDARY
                self.request.sendall(head)
            if fault[0] in (b"/once", b"/seldom"):
                self._send_picture()
            while fault[0] == b"/seldom":
                time.sleep(SEND_EVERY_S)
                self._send_picture()
            if fault[0] != b"/hang-up":
                self.request.recv(1)  # until the client goes

    def _send_picture(self) -> None:
        jpeg = cv2.imencode(".jpg", np.full((360, 640, 3), 90, np.uint8))[1].tobytes()
        head = b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % (BOUNDARY, len(jpeg))
        self.request.sendall(head + jpeg + b"\r\n")


FAULTS = ("nothing", "header", "once", "seldom", "hang-up")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextlib.contextmanager
def silent_cameras(count: int) -> Iterator[list[str]]:
    """The URLs of so many cameras, the faults in turn."""
    with _Server(("127.0.0.1", 0), SilentCamera) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        try:
            yield [f"http://127.0.0.1:{port}/{FAULTS[index % len(FAULTS)]}" for index in range(count)]
        finally:
            server.shutdown()
