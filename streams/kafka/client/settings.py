"""The clients' settings, where throughput and delay are decided."""

from __future__ import annotations

from typing import Any

from streams.kafka.client.kafka_python_patches import LargeReadClient, ThrottledClient
from streams.kafka.client.topics import ROOM_BYTES

FRAME_SEND: dict[str, Any] = {
    "acks": 1,  # a lost picture is no harm, a slow one is
    "enable_idempotence": False,  # asks for acks of all copies; what a second try doubles falls out by camera and slot
    "compression_type": None,  # JPEG does not shrink
    "batch_size": 1 << 20,  # with the usual 16 KB each picture is a request of its own: half the throughput
    "linger_ms": 10,
    "max_request_size": ROOM_BYTES,
    "max_in_flight_requests_per_connection": 1,  # with more, a request tried again lands behind its successor
    "delivery_timeout_ms": 120_000,
    "kafka_client": ThrottledClient,
    "max_block_ms": 50,  # a sampler's thread does not wait for a broker that is away
}
"""Of what sends frames: the newest matters, and none waits long."""

RECORD_SEND: dict[str, Any] = {
    "acks": "all",
    # An idempotent producer whose epoch is being raised when the broker dies waits for that answer for ever
    # (kafka-python 3.0.12). All that is sent here may come twice; the order is kept by one request at a time.
    "enable_idempotence": False,
    "max_in_flight_requests_per_connection": 1,
    "compression_type": "zstd",
    "batch_size": 256 << 10,
    "linger_ms": 2,
    "max_request_size": ROOM_BYTES,
    "delivery_timeout_ms": 120_000,
    "max_block_ms": 5_000,
}
"""Of what sends detections, events and states: acknowledged by all copies, in order, some of them twice."""

FRAME_FETCH: dict[str, Any] = {
    "fetch_max_bytes": 4 << 20,  # what lies in the processor's cache is parsed at once: 16 MB cost half as much again
    "max_partition_fetch_bytes": 1 << 20,  # one record comes whole, however large it is
    "max_poll_records": 100,
    "fetch_max_wait_ms": 100,
    "kafka_client": LargeReadClient,
}
"""Of what reads frames."""
