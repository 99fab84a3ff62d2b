"""A trace goes with a frame: through the topics' headers, and as spans where OpenTelemetry's SDK is set up."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from kafka.consumer.fetcher import ConsumerRecord
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lanewatch import tracing
from lanewatch.config.revisions import SiteRevisions
from streams.kafka import codec
from streams.kafka.client.producers import FrameProducer
from streams.kafka.workers.detect_worker import DetectWorker
from streams.kafka.workers.event_store_worker import EventStoreWorker
from streams.kafka.workers.watch_worker import WatchWorker
from tests.streams.doubles import CountingWatch, GatedDetector, ListServe
from tests.streams.kafka.kafka_site import KafkaSite, picture, running, until

HEADER = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-0[13]")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def trace_id(record: ConsumerRecord) -> bytes:
    found = HEADER.fullmatch(codec.trace_context(record) or b"")
    assert found
    return found[1]


def test_one_trace_from_the_frame_to_the_store(
    broker: str, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_interval", 1)
    kafka_site = KafkaSite(broker, ("a",), 1)
    serve = ListServe()
    fixed = {"revisions": SiteRevisions.from_site(kafka_site.site), "raise_if_failed": lambda _: None}
    site: Any = type("Fixed", (), fixed)()
    with ExitStack() as stack:
        stack.callback(kafka_site.close)
        sender = FrameProducer(kafka_site.broker, kafka_site.topics)
        stack.callback(sender.close)
        stack.enter_context(running(DetectWorker(kafka_site.broker, kafka_site.topics, GatedDetector())))
        watching = WatchWorker(
            kafka_site.broker,
            kafka_site.topics,
            lambda _: CountingWatch(),
            site,
            node="w",
            state_type=int,
        )
        stack.enter_context(running(watching))
        stack.enter_context(running(EventStoreWorker(kafka_site.broker, kafka_site.topics, serve, node="s")))
        sender.send(picture("a", int(time.time() * 1000)), 0)
        until(lambda: serve.events, "the event is stored")
        until(lambda: "serve" in {span.name for span in spans.get_finished_spans()}, "its span is there")
        frame = kafka_site.records(kafka_site.topics.frames.name, lambda found: len(found) > 0)[0]
        detections = kafka_site.records(kafka_site.topics.detections.name, lambda found: len(found) > 0)[0]
        event = kafka_site.records(kafka_site.topics.events.name, lambda found: len(found) > 0)[0]
    assert trace_id(frame) == trace_id(detections) == trace_id(event)
    trace = int(trace_id(frame), 16)
    finished = spans.get_finished_spans()
    by_stage = {span.name: span for span in finished if span.context is not None and span.context.trace_id == trace}
    assert set(by_stage) == {"sample", "detect", "watch", "serve"}
    for before, after in (("sample", "detect"), ("detect", "watch"), ("watch", "serve")):
        parent, context = by_stage[after].parent, by_stage[before].context
        assert parent is not None
        assert context is not None
        assert parent.span_id == context.span_id
    batch = next(span for span in finished if span.name == "detect batch")
    assert [link.context.trace_id for link in batch.links] == [trace]


def test_without_the_sdk_the_header_travels_all_the_same() -> None:
    begun = tracing.start_trace("sample")
    assert HEADER.fullmatch(begun)
    assert tracing.add_span("watch", begun) == begun
    with tracing.batch_span("detect", [None, begun]) as headers:
        assert headers == [None, begun]


def test_one_in_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_interval", 10)
    assert sum(tracing.start_sampled_trace("sample") is not None for _ in range(100)) == 10
    monkeypatch.setattr(tracing, "_interval", 0)
    assert [tracing.start_sampled_trace("sample") for _ in range(100)] == [None] * 100


def test_an_invalid_trace_header_is_ignored(spans: InMemorySpanExporter) -> None:
    assert HEADER.fullmatch(tracing.add_span("watch", b"\xff nonsense") or b"")


def test_a_missing_exporter_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        tracing.configure("detect", {"OTEL_TRACES_EXPORTER": "carrier-pigeon"})
    assert "carrier-pigeon" in caplog.text
