"""One frame's way through the stages as an OpenTelemetry trace, over the W3C ``traceparent`` of its records.

Not every frame: one in ``LANEWATCH_TRACE_EVERY`` (100 where it isn't set, 0: none) has a trace, begun by the sampler;
a revision that no traced frame caused has one from the watcher on. What is not traced costs a counter's step. The
headers travel in any case; spans are written where OpenTelemetry's SDK is there and ``OTEL_TRACES_EXPORTER`` or
``OTEL_EXPORTER_OTLP_ENDPOINT`` says where to, with all other OTEL_* variables as the SDK knows them.
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
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

EVERY = 100
"""700 cameras at two frames a second make 14 traces a second of five spans each: enough to see a slow stage."""

Trace = bytes
"""The value of a ``traceparent`` header."""

Attribute = str | int | float

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("lanewatch")
_count = itertools.count()
log = logging.getLogger("lanewatch.tracing")


def begin(name: str, began_at: float | None = None, **attributes: Attribute) -> Trace:
    """A new trace whose first span ends now.

    Args:
        name: of the span, such as ``sample``.
        began_at: when it began, wall clock in seconds; None: now.
        attributes: such as camera and slot.
    """
    span = _tracer.start_span(
        name, Context(), SpanKind.PRODUCER, attributes, start_time=None if began_at is None else int(began_at * 1e9)
    )
    span.end()
    if span.get_span_context().is_valid:
        return _told(span)
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01".encode()


def sampled(name: str, began_at: float | None = None, **attributes: Attribute) -> Trace | None:
    """A new trace for one call in ``LANEWATCH_TRACE_EVERY``; None for the others."""
    return begin(name, began_at, **attributes) if _every and next(_count) % _every == 0 else None


def follow(name: str, parent: Trace | None, seconds: float = 0.0, **attributes: Attribute) -> Trace | None:
    """A span that follows another one, and ends now.

    Args:
        name: such as ``serve``.
        parent: the header that came with what was worked on; None: nothing is traced.
        seconds: how long it took.
        attributes: such as camera, topic and offset.

    Returns:
        The header for what came of it.
    """
    if parent is None:
        return None
    start = time.time_ns() - int(seconds * 1e9)
    span = _tracer.start_span(name, _context(parent), SpanKind.CONSUMER, attributes, start_time=start)
    span.end()
    return _told(span) or parent


@contextmanager
def batch(name: str, parents: Sequence[Trace | None], **attributes: Attribute) -> Iterator[list[Trace | None]]:
    """A span for one call over many records, linked to the traces of those that have one.

    Args:
        name: such as ``detect``.
        parents: one for each record.
        attributes: such as the model.

    Yields:
        A header for each record's result; the spans end with the block.
    """
    if not any(parents):
        yield list(parents)
        return
    contexts = [_context(one) if one is not None else None for one in parents]
    links = [Link(trace.get_current_span(one).get_span_context()) for one in contexts if one is not None]
    with ExitStack() as stack:
        whole = stack.enter_context(_ended(_tracer.start_span(f"{name} batch", Context(), links=links)))
        whole.set_attributes({"batch.size": len(parents), **attributes})
        link = [Link(whole.get_span_context())]
        spans = [
            None
            if context is None
            else stack.enter_context(_ended(_tracer.start_span(name, context, SpanKind.CONSUMER, links=link)))
            for context in contexts
        ]
        yield [None if span is None else _told(span) or one for span, one in zip(spans, parents, strict=True)]


def configure(stage: str, environment: Mapping[str, str] = os.environ) -> None:
    """Sets up the SDK where the environment says where spans go to; else nothing happens.

    Args:
        stage: the service's name, ``lanewatch-STAGE``, where ``OTEL_SERVICE_NAME`` does not say another.
        environment: OTEL_TRACES_EXPORTER: a name that an installed exporter goes by, such as ``otlp`` or ``console``.
    """
    named = environment.get("OTEL_TRACES_EXPORTER", "otlp" if "OTEL_EXPORTER_OTLP_ENDPOINT" in environment else "none")
    if named in ("", "none") or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    found = {point.name: point for point in entry_points(group="opentelemetry_traces_exporter")}
    by_protocol = {"otlp": ("otlp_proto_http", "otlp_proto_grpc")}
    exporter = next((found[name] for name in (named, *by_protocol.get(named, ())) if name in found), None)
    if exporter is None:
        log.warning(
            "OTEL_TRACES_EXPORTER is %s, but no such exporter is installed (there are %s): no spans are written; "
            "`pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http`",
            named,
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


def _every_from(environment: Mapping[str, str]) -> int:
    told = environment.get("LANEWATCH_TRACE_EVERY", "")
    return int(told) if told.isdecimal() else EVERY


_every = _every_from(os.environ)


@contextmanager
def _ended(span: Span) -> Iterator[Span]:
    try:
        yield span
    except Exception as error:
        span.record_exception(error)
        span.set_status(StatusCode.ERROR, type(error).__name__)
        raise
    finally:
        span.end()


def _context(parent: Trace) -> Context:
    return _propagator.extract({"traceparent": parent.decode("ascii", "replace")}, Context())


def _told(span: Span) -> Trace:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get("traceparent", "").encode()
