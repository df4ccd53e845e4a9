"""The spans of a call, taken from the SDK's exporter into memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from orchestration.models import ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.seedapp.orca.readme import GenerateTicketAnswer

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

pytestmark = [pytest.mark.django_db]
SECRET = "The export button of Ada Lovelace does nothing."
ANSWER = {"answer": "Dear Ada Lovelace, we are on it.", "urgent": True}
EXPORTER = InMemorySpanExporter()


@pytest.fixture(scope="module", autouse=True)
def provider() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    trace.set_tracer_provider(provider)


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    EXPORTER.clear()
    yield EXPORTER
    EXPORTER.clear()


def queue() -> ServiceCallRecord:
    call = GenerateTicketAnswer.using(context={"ticket": SECRET}).enqueue_now()
    return ServiceCallRecord.objects.get(pk=call.id)


def named(exporter: Any, start: str) -> list[Any]:
    return [span for span in exporter.get_finished_spans() if span.name.startswith(start)]


def test_a_call_continues_the_trace_it_was_queued_in(exported):
    with trace.get_tracer("web").start_as_current_span("POST /tickets") as web:
        record = queue()
    with scripted(Fault(kind="json", data=ANSWER)):
        drain()
    (call,), (request,) = named(exported, "call "), named(exported, "generate_content ")
    assert call.context.trace_id == request.context.trace_id == web.get_span_context().trace_id
    assert call.parent.span_id == web.get_span_context().span_id
    assert request.parent.span_id == call.context.span_id
    assert call.attributes["orchestrai.call.id"] == record.pk
    assert request.attributes["gen_ai.usage.input_tokens"] > 0
    assert "error.type" not in call.attributes


def test_outside_of_a_trace_a_call_begins_one(exported):
    assert queue().dispatch == {"mode": "queued"}
    with scripted(Fault(kind="json", data=ANSWER)):
        drain()
    (call,) = named(exported, "call ")
    assert call.parent is None


def test_what_is_stored_of_a_trace_are_its_ids(exported):
    """Baggage goes from service to service with whatever a project puts into it."""
    token = context.attach(baggage.set_baggage("user.email", "ada@example.org"))
    try:
        with trace.get_tracer("web").start_as_current_span("POST"):
            record = queue()
    finally:
        context.detach(token)
    assert set(record.dispatch["trace"]) == {"traceparent"}
    assert "ada" not in json.dumps(record.dispatch)


def test_what_a_row_holds_in_place_of_headers_is_ignored(exported):
    record = queue()
    ServiceCallRecord.objects.filter(pk=record.pk).update(dispatch={"mode": "queued", "trace": {"traceparent": 5}})
    with scripted(Fault(kind="json", data=ANSWER)):
        drain()
    record.refresh_from_db()
    assert (record.status, named(exported, "call ")[0].parent) == ("succeeded", None)


def test_errors_are_recorded_by_their_code(exported):
    queue()
    with scripted(Fault(kind="bad_request")):
        drain()
    (call,), (request,) = named(exported, "call "), named(exported, "generate_content ")
    record = ServiceCallRecord.objects.get()
    assert record.status == "failed"
    assert call.attributes["error.type"] == request.attributes["error.type"] == record.error_code
    assert call.status.description is None


def test_no_span_holds_content(exported):
    with trace.get_tracer("web").start_as_current_span("POST"):
        queue()
        queue()
    with scripted(Fault(kind="json", data=ANSWER), Fault(kind="bad_request")):
        drain()
    told = json.dumps([json.loads(span.to_json()) for span in exported.get_finished_spans()])
    assert len(exported.get_finished_spans()) == 5
    assert "Lovelace" not in told


WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
import django
django.setup()
from orchestration.engine import tracing
from orchestration.models import ServiceCallRecord
record = ServiceCallRecord(dispatch={"trace": {"traceparent": "00-1-1-01"}})
with tracing.call_span(record) as span:
    span.failed("timeout")
print(tracing.trace, tracing.carrier())
"""


def test_without_opentelemetry_nothing_happens():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["None", "{}"]
