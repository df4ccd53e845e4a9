"""The command that makes a big database: what it writes fits together, and is summed up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, Sum

from orchestration.models import AIRequestAudit, AIResponseAudit, CallRollup, ServiceCallRecord
from orchestration.models.rollups import Span
from persistence.models import PersistedChunk, PersistedObject

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_its_rows_fit_together_and_it_can_be_run_again(settings: Any, transactional_db: None) -> None:
    settings.DEBUG = True
    call_command("seed_load", calls=300, days=2)
    call_command("seed_load", calls=300, days=2, seed=2)
    calls = ServiceCallRecord.objects.all()
    assert calls.count() == 600
    assert {"succeeded", "failed", "queued"} <= set(calls.values_list("status", flat=True))
    for call in calls.filter(status="succeeded").prefetch_related("response_audits")[:50]:
        assert sum(answer.total_tokens for answer in call.response_audits.all()) == call.total_tokens > 0
        assert call.created_at <= call.started_at <= call.finished_at
        assert call.result["structured_data"]["reply"]
    assert AIResponseAudit.objects.count() <= AIRequestAudit.objects.count()
    assert not AIRequestAudit.objects.filter(repair=1, repair_of=None).exists()
    persisted = set(calls.filter(domain_persisted=True).values_list("pk", flat=True))
    assert set(PersistedChunk.objects.values_list("call_id", flat=True)) == persisted
    assert PersistedObject.objects.values("chunk").annotate(Count("pk")).count() == len(persisted)
    finished = calls.finished()
    summed = CallRollup.objects.filter(span=Span.DAY)
    assert sum(row.succeeded + row.failed + row.cancelled for row in summed) == finished.count()
    cost = finished.aggregate(cost=Sum("cost"))["cost"]
    assert sum(row.cost for row in summed) == Decimal(cost).quantize(Decimal("0.00000001"))
    assert ServiceCallRecord.objects.create(service_identity="services.a.b.C", namespace="a").pk  # numbering goes on


@pytest.mark.parametrize("options", [{"calls": 0}, {"calls": 5, "days": 0}])
def test_it_refuses_what_makes_no_sense(settings: Any, options: dict[str, int]) -> None:
    settings.DEBUG = True
    with pytest.raises(CommandError, match="greater than 0"):
        call_command("seed_load", **options)


def test_it_does_not_write_into_a_production_database_by_accident() -> None:
    with pytest.raises(CommandError, match="DJANGO_DEBUG"):
        call_command("seed_load", calls=5)
