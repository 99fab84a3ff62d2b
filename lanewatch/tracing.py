"""OpenTelemetry traces of frames through the stages, linked by the W3C ``traceparent`` header of their records.

The sampler starts a trace for one frame in ``LANEWATCH_TRACE_EVERY`` (default 100; 0 for none). Other frames cost one
step of a counter. Spans are exported if OpenTelemetry's SDK is installed and ``OTEL_TRACES_EXPORTER`` or
``OTEL_EXPORTER_OTLP_ENDPOINT`` is set. The SDK's other OTEL_* variables apply.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import entry_points

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

DEFAULT_INTERVAL = 100
"""Frames for each trace: 700 cameras at two frames a second make 14 traces a second, each of five spans."""

Trace = bytes
"""The value of a ``traceparent`` header."""

Attribute = str | int | float

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("lanewatch")
_frames = itertools.count()
_configured = os.environ.get("LANEWATCH_TRACE_EVERY", "")
_interval = int(_configured) if _configured.isdecimal() else DEFAULT_INTERVAL
log = logging.getLogger("lanewatch.tracing")


def start_trace(name: str, started_at: float | None = None, **attributes: Attribute) -> Trace:
    """Starts a trace whose first span, such as ``sample``, began at ``started_at`` (wall clock) and ends now."""
    start = None if started_at is None else int(started_at * 1e9)
    span = _tracer.start_span(name, Context(), SpanKind.PRODUCER, attributes, start_time=start)
    span.end()
    if span.get_span_context().is_valid:
        return _header(span)
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01".encode()


def start_sampled_trace(name: str, started_at: float | None = None, **attributes: Attribute) -> Trace | None:
    """As ``start_trace``, for one call in ``LANEWATCH_TRACE_EVERY``; None for the others."""
    return start_trace(name, started_at, **attributes) if _interval and next(_frames) % _interval == 0 else None


def add_span(name: str, parent: Trace | None, seconds: float = 0.0, **attributes: Attribute) -> Trace | None:
    """Adds a span that lasted for ``seconds`` and ends now; returns the header for the resulting record.

    ``parent`` is the header of the processed record, None if it has no trace.
    """
    if parent is None:
        return None
    start = time.time_ns() - int(seconds * 1e9)
    span = _tracer.start_span(name, _context(parent), SpanKind.CONSUMER, attributes, start_time=start)
    span.end()
    return _header(span) or parent


@contextmanager
def batch_span(name: str, parents: Sequence[Trace | None], **attributes: Attribute) -> Iterator[list[Trace | None]]:
    """A span for one call over many records, linked to their traces; yields the header for each record's result.

    ``parents`` has the header of each record, None if it has no trace. The spans end with the block.
    """
    if not any(parents):
        yield list(parents)
        return
    contexts = [None if parent is None else _context(parent) for parent in parents]
    links = [Link(trace.get_current_span(context).get_span_context()) for context in contexts if context is not None]
    with ExitStack() as stack:
        whole = stack.enter_context(_tracer.start_as_current_span(f"{name} batch", Context(), links=links))
        whole.set_attributes({"batch.size": len(parents), **attributes})
        link = [Link(whole.get_span_context())]
        headers: list[Trace | None] = []
        for parent, context in zip(parents, contexts, strict=True):
            if context is None:
                headers.append(None)
                continue
            of_record = _tracer.start_as_current_span(name, context, SpanKind.CONSUMER, links=link)
            span = stack.enter_context(of_record)
            headers.append(_header(span) or parent)
        yield headers


def configure(stage: str, environment: Mapping[str, str] | None = None) -> None:
    """Sets up the SDK if ``OTEL_TRACES_EXPORTER`` names an installed exporter, such as ``otlp`` or ``console``.

    The service is ``lanewatch-STAGE``, unless ``OTEL_SERVICE_NAME`` is set.
    """
    environment = os.environ if environment is None else environment
    wanted = environment.get("OTEL_TRACES_EXPORTER", "otlp" if "OTEL_EXPORTER_OTLP_ENDPOINT" in environment else "none")
    if wanted in ("", "none") or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    found = {point.name: point for point in entry_points(group="opentelemetry_traces_exporter")}
    by_protocol = {"otlp": ("otlp_proto_http", "otlp_proto_grpc")}
    exporter = next((found[name] for name in (wanted, *by_protocol.get(wanted, ())) if name in found), None)
    if exporter is None:
        log.warning(
            "OTEL_TRACES_EXPORTER is %s, but no such exporter is installed (installed: %s). No spans are exported; "
            "`pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http`",
            wanted,
            ", ".join(sorted(found)) or "none",
        )
        return
    sdk = importlib.import_module("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    resources = importlib.import_module("opentelemetry.sdk.resources")
    name = environment.get("OTEL_SERVICE_NAME") or f"lanewatch-{stage}"
    provider = sdk.TracerProvider(resource=resources.Resource.create({"service.name": name}))
    provider.add_span_processor(export.BatchSpanProcessor(exporter.load()()))
    trace.set_tracer_provider(provider)


def _context(parent: Trace) -> Context:
    return _propagator.extract({"traceparent": parent.decode("ascii", "replace")}, Context())


def _header(span: Span) -> Trace:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get("traceparent", "").encode()
