"""What listens at a port, where it did not answer as a broker of the expected kind."""

from __future__ import annotations

import socket
import ssl
import struct
from typing import Literal

PATIENCE_S = 1.5
"""For each guess. There are three, after the 3 s in which it was asked as a broker: ten seconds are not exceeded."""


def identify(host: str, port: int) -> Literal["tls", "http", "kafka"] | None:
    """What it is: something behind TLS, a web server, a broker without TLS; None where it is silent or unknown."""
    if _speaks_kafka(host, port):
        return "kafka"
    if _speaks_tls(host, port):
        return "tls"
    return "http" if _speaks_http(host, port) else None


def _speaks_kafka(host: str, port: int) -> bool:
    name = b"lanewatch"
    question = struct.pack(">hhih", 18, 0, 7, len(name)) + name  # its versions, which it tells to everybody
    return _answer(host, port, struct.pack(">i", len(question)) + question, 8)[4:] == struct.pack(">i", 7)


def _speaks_http(host: str, port: int) -> bool:
    return _answer(host, port, f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode(), 5) == b"HTTP/"


def _speaks_tls(host: str, port: int) -> bool:
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname = False
    anything.verify_mode = ssl.CERT_NONE  # only whether it speaks it; nothing is sent
    try:
        with socket.create_connection((host, port), PATIENCE_S) as raw, anything.wrap_socket(raw):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def _answer(host: str, port: int, question: bytes, length: int) -> bytes:
    """The first bytes that it says; fewer where it says nothing."""
    try:
        with socket.create_connection((host, port), PATIENCE_S) as raw:
            raw.sendall(question)
            return raw.recv(length, socket.MSG_WAITALL)
    except OSError:
        return b""
