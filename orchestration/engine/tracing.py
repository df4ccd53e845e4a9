"""Spans of OpenTelemetry, when `opentelemetry-api` is installed (the extra `otel`); otherwise nothing happens here.

A call has one span in the worker, below the span that was current when it was queued; each request to a provider has
one below that. Attributes are names, ids and counts, and errors are recorded by code: never prompts, answers, messages
of errors, or keys. The process that exports spans is the project's to set up, as for any other library.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from orchestration.isolation import isolated
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.base import ProviderResponse

try:
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    PROPAGATOR = TraceContextTextMapPropagator()
except ImportError:
    trace = None

CARRIER = "trace"
"""The key of a call's `dispatch` with the context that it was queued in: `traceparent` and `tracestate`, whatever the
project's own propagators carry besides. Baggage may hold anything about a person, and is not stored."""
TRACER = "orchestrai"


class TracedSpan:
    """A span, or nothing where nobody records any."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def failed(self, code: str) -> None:
        """Mark it as failed, by the code of the error."""
        if self._span is not None:
            self._span.set_attribute("error.type", code)
            self._span.set_status(trace.StatusCode.ERROR)

    def answered(self, answer: ProviderResponse) -> None:
        """What the request cost, in tokens, and which model answered."""
        if self._span is not None:
            self._span.set_attribute("gen_ai.response.model", answer.model)
            self._span.set_attribute("gen_ai.usage.input_tokens", answer.usage.input_tokens)
            self._span.set_attribute("gen_ai.usage.output_tokens", answer.usage.output_tokens)


NO_SPAN: AbstractContextManager[TracedSpan] = nullcontext(TracedSpan())


def _is_recorded() -> bool:
    """Whether the project has set up a provider of tracers: spans that nobody gets are not worth a twentieth of a
    worker's time."""
    return trace is not None and not isinstance(
        trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider
    )


def carrier() -> dict[str, Any]:
    """What a call keeps of the present trace; empty outside of one."""
    headers: dict[str, str] = {}
    if trace is not None and trace.get_current_span().get_span_context().is_valid:
        PROPAGATOR.inject(headers)
    return {CARRIER: headers} if headers else {}


def call_span(record: ServiceCallRecord) -> AbstractContextManager[TracedSpan]:
    """A worker has a call in hand: all its attempts in this process."""
    if not _is_recorded():
        return NO_SPAN
    attributes = {
        "messaging.operation.type": "process",
        "orchestrai.call.id": record.pk,
        "orchestrai.service": record.service_identity,
        "orchestrai.correlation_id": str(record.correlation_id),
    }
    parent = PROPAGATOR.extract(_kept_headers(record))
    return _span(f"call {record.service_identity}", trace.SpanKind.CONSUMER, attributes, parent)


def request_span(request: AIRequestAudit) -> AbstractContextManager[TracedSpan]:
    """One request is out to a provider."""
    if not _is_recorded():
        return NO_SPAN
    attributes = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": request.provider,
        "gen_ai.request.model": request.model,
        "orchestrai.attempt": request.attempt,
        "orchestrai.repair": request.repair,
    }
    return _span(f"generate_content {request.model}", trace.SpanKind.CLIENT, attributes)


def _kept_headers(record: ServiceCallRecord) -> dict[str, str]:
    """What `carrier` kept; empty when the row holds anything else there."""
    kept = record.dispatch.get(CARRIER)
    return kept if isinstance(kept, dict) and all(isinstance(value, str) for value in kept.values()) else {}


@contextmanager
def _span(name: str, kind: Any, attributes: dict[str, Any], parent: Any = None) -> Iterator[TracedSpan]:
    """Current while its block runs. What is raised in it is recorded by type: its message may quote content."""
    started = trace.get_tracer(TRACER).start_as_current_span(
        name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
    )
    with started as current:
        span = TracedSpan(current)
        with isolated() as run:
            yield span
        if run.error is not None:
            span.failed(type(run.error).__name__)
            raise run.error
