"""Rows in the states that tests start from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.states import Status

SERVICE = "services.engineapp.default.Triage"


def queued(**fields: Any) -> ServiceCallRecord:
    return ServiceCallRecord.objects.create(
        **{"service_identity": SERVICE, "namespace": "engineapp", "context": {"ticket": "it burns"}, **fields}
    )


def running(**fields: Any) -> ServiceCallRecord:
    defaults = {
        "status": Status.RUNNING,
        "lease_token": 1,
        "lease_expires_at": timezone.now() + timedelta(seconds=10),
        "started_at": timezone.now(),
        "worker": "w1",
    }
    return queued(**{**defaults, **fields})


def expired(**fields: Any) -> ServiceCallRecord:
    return running(**{"lease_expires_at": timezone.now() - timedelta(seconds=1), **fields})


def failed(**fields: Any) -> ServiceCallRecord:
    return queued(**{"status": Status.FAILED, "finished_at": timezone.now(), "error_code": "timeout", **fields})


def request_audit(call: ServiceCallRecord, **fields: Any) -> AIRequestAudit:
    return AIRequestAudit(
        **{
            "call": call,
            "attempt": 1,
            "correlation_id": call.correlation_id,
            "service_identity": call.service_identity,
            "namespace": call.namespace,
            "kind": "default",
            "name": "Triage",
            "provider": "simulator",
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": "The ticket: it burns"}],
            **fields,
        }
    )
