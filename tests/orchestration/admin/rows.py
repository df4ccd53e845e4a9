"""A call with its whole story, as rows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.utils import timezone

from orchestration.models import AIResponseAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.states import PersistState, Status
from persistence.models import ObjectAction, ObjectRole, PersistedChunk, PersistedObject
from tests.orchestration.factories import queued, request_audit

HOSTILE = "<script>alert('x')</script><b>bold</b>"


def succeeded(*touched: Model, prompt: str = "The ticket: it burns", **fields: Any) -> ServiceCallRecord:
    """A call that was answered at its second attempt, after a repair, and persisted as `touched` (first: primary)."""
    began = timezone.now() - timedelta(seconds=20)
    related = touched[0] if touched else None
    call = queued(
        **{
            "status": Status.SUCCEEDED,
            "created_at": began,
            "started_at": began + timedelta(seconds=1),
            "finished_at": began + timedelta(seconds=5),
            "persisted_at": began + timedelta(seconds=6),
            "domain_persist_state": PersistState.PERSISTED,
            "attempts": 2,
            "provider": "simulator",
            "model": "gpt-4o-mini",
            "worker": "node-1",
            "input_tokens": 210,
            "output_tokens": 42,
            "total_tokens": 252,
            "cost": Decimal("0.00056700"),
            "schema_identity": "schemas.engineapp.default.TriageOutputSchema",
            "schema_version": 2,
            "result": {"structured_data": {"urgency": 3, "reason": "fire"}},
            "related_content_type": ContentType.objects.get_for_model(related) if related else None,
            "related_object_id": str(related.pk) if related else None,
            **fields,
        }
    )
    add_attempts(call, prompt)
    if touched:
        persisted_as(call, *touched)
    return call


def add_attempts(call: ServiceCallRecord, prompt: str) -> None:
    sent = call.created_at + timedelta(seconds=1)
    lost = request_audit(call, outcome=Outcome.FAILED, dispatched_at=sent)
    lost.save()
    answer(lost, error_code="rate_limited", error="429", http_status=429)
    asked = request_audit(
        call,
        attempt=2,
        outcome=Outcome.ANSWERED,
        dispatched_at=sent + timedelta(seconds=1),
        messages=[{"role": "developer", "content": "You triage."}, {"role": "user", "content": prompt}],
        response_schema={"type": "object"},
    )
    asked.save()
    answer(asked, raw={"text": "no JSON"}, error_code="invalid_output", error="urgency: field required")
    repair = request_audit(
        call,
        attempt=2,
        repair=1,
        repair_of=asked,
        outcome=Outcome.ANSWERED,
        dispatched_at=sent + timedelta(seconds=2),
        messages=[{"role": "user", "content": "urgency: field required"}],
    )
    repair.save()
    answer(repair, raw={"id": "resp_1", "output": [{"text": '{"urgency": 3}'}]}, structured_data={"urgency": 3})


def answer(audit: Any, **fields: Any) -> AIResponseAudit:
    return AIResponseAudit.objects.create(
        **{
            "ai_request": audit,
            "call": audit.call,
            "received_at": audit.dispatched_at + timedelta(milliseconds=840),
            "latency_ms": 840,
            "model": "gpt-4o-mini",
            "total_tokens": 252,
            "input_tokens": 210,
            "output_tokens": 42,
            **fields,
        }
    )


def persisted_as(call: ServiceCallRecord, primary: Model, *others: Model) -> PersistedChunk:
    kind = ContentType.objects.get_for_model(primary)
    chunk = PersistedChunk.objects.create(
        call_id=call.pk,
        schema_identity=call.schema_identity,
        schema_version=2,
        namespace=call.namespace,
        handler_identity="persist.engineapp.default.TriagePersistence",
        content_type=kind,
        object_id=str(primary.pk),
        summary={"made": 1},
    )
    for item in (primary, *others):
        PersistedObject.objects.create(
            chunk=chunk,
            content_type=ContentType.objects.get_for_model(item),
            object_id=str(item.pk),
            role=ObjectRole.PRIMARY if item is primary else ObjectRole.RELATED,
            action=ObjectAction.CREATED if item is primary else ObjectAction.UPDATED,
            changes={"title": ["a", "b"]},
        )
    return chunk
