"""Settings of producers and consumers that determine throughput and delay."""

from __future__ import annotations

from typing import Any

from streams.kafka.client.kafka_python_patches import LargeReadClient, ThrottledClient
from streams.kafka.client.topics import MAX_RECORD_BYTES

FRAME_SEND: dict[str, Any] = {
    "acks": 1,  # a lost frame is acceptable, a slow one is not
    "enable_idempotence": False,  # it requires acks of all replicas; a retry's duplicates are removed by (camera, slot)
    "compression_type": None,  # JPEG does not shrink
    "batch_size": 1 << 20,  # with the default 16 KB each frame is a request: half the throughput
    "linger_ms": 10,
    "max_request_size": MAX_RECORD_BYTES,
    "max_in_flight_requests_per_connection": 1,  # with more, a retried request arrives after its successor
    "delivery_timeout_ms": 120_000,
    "kafka_client": ThrottledClient,
    "max_block_ms": 50,  # a sampler's thread does not wait for an unreachable broker
}
"""Producer of frames: low delay before completeness."""

RECORD_SEND: dict[str, Any] = {
    "acks": "all",
    # kafka-python 3.0.12 waits for ever if the broker dies while an idempotent producer raises its epoch. Duplicates
    # are harmless here, and one request at a time keeps the order.
    "enable_idempotence": False,
    "max_in_flight_requests_per_connection": 1,
    "compression_type": "zstd",
    "batch_size": 256 << 10,
    "linger_ms": 2,
    "max_request_size": MAX_RECORD_BYTES,
    "delivery_timeout_ms": 120_000,
    "max_block_ms": 5_000,
}
"""Producer of everything else: acknowledged by all replicas, in order, at least once."""

FRAME_FETCH: dict[str, Any] = {
    "fetch_max_bytes": 4 << 20,  # parsed while in the processor's cache: with 16 MB it takes half as much time again
    "max_partition_fetch_bytes": 1 << 20,  # a larger record still arrives whole
    "max_poll_records": 100,
    "fetch_max_wait_ms": 100,
    "kafka_client": LargeReadClient,
}
"""Consumer of frames."""
