"""Fixtures for all tests."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from kafka.net.inet import KafkaNetSocket

from deploy.kafka_server import running_broker
from lanewatch.logs import LogHandler

CLIP = Path(__file__).parents[1] / "lanewatch" / "demo" / "clip.mp4"


hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

_sock_connect = KafkaNetSocket.sock_connect


async def _connect_or_close(self: KafkaNetSocket, net: Any, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
    """kafka-python closes the socket of a connection that fails, or whose client closes before it is made.

    The library (3.0.12) leaves such a socket to the garbage collector. Its warning then fails whichever test runs.
    The correction stays to the end of the process, since threads of closed clients may still connect.
    """
    try:
        return await _sock_connect(self, net, sock, *args, **kwargs)
    except BaseException:
        sock.close()
        raise


KafkaNetSocket.sock_connect = _connect_or_close


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """Ends the log that a command of the test set up. Its counts of repeated lines belong to this test."""
    yield
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, LogHandler)]:
        root.removeHandler(handler)
        handler.close()


@pytest.fixture(scope="session")
def data() -> Path:
    """The directory of research footage with ground truth, from LANEWATCH_DATA."""
    folder = os.environ.get("LANEWATCH_DATA")
    if not folder:
        pytest.skip("LANEWATCH_DATA is not set: research footage is not part of the repository")
    path = Path(folder)
    if not (path / "pets09-s2l1" / "gt.txt").is_file():
        pytest.fail(f"LANEWATCH_DATA is {folder}, but {path / 'pets09-s2l1' / 'gt.txt'} is missing")
    return path


@pytest.fixture(scope="session")
def clip() -> Path:
    """The bundled clip: 795 frames of 768x576, H.264 at 7 frames a second."""
    return CLIP


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """The address of a real Apache Kafka: that of ``LANEWATCH_KAFKA``, or a broker that is started for the tests."""
    with running_broker() as address:
        yield address
