"""The command that makes a big database: what it writes fits together, and is summed up."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count, Sum
from django.db.models.functions import TruncDate

from apps.chatlab.orca.services import GeneratePatientReply
from apps.devtools.management.commands import seed_load
from orchestration.components.registry import services
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.rollups import CallRollup, Span
from persistence.models import PersistedChunk, PersistedObject
from persistence.models.failures import PersistenceFailure
from persistence.reprocessing.reports import ReprocessOutcome
from persistence.reprocessing.reprocess import Policy, dry_run
from tests.orchestration.factories import failed

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_its_rows_fit_together_and_it_can_be_run_again(settings: Any, transactional_db: None) -> None:
    settings.DEBUG = True
    call_command("seed_load", calls=300, days=0.5)
    call_command("seed_load", calls=300, days=0.5, seed=2)
    calls = ServiceCallRecord.objects.all()
    assert calls.count() == 600
    assert {"succeeded", "failed", "queued"} <= set(calls.values_list("status", flat=True))
    for call in calls.filter(status="succeeded").prefetch_related("response_audits")[:50]:
        assert sum(answer.total_tokens for answer in call.response_audits.all()) == call.total_tokens > 0
        assert call.created_at <= call.started_at <= call.finished_at
        data = call.stored_response().structured_data
        assert services.get(call.service_identity).wiring.schema.model_validate(deepcopy(data))
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
    assert ServiceCallRecord.objects.create(service_identity="services.a.b.C", namespace="a").pk  # numbering continues
    dead = set(calls.filter(domain_persist_state="dead").values_list("pk", flat=True))
    assert set(PersistenceFailure.objects.values_list("pk", flat=True)) == dead


def test_its_results_can_be_reprocessed(settings: Any, transactional_db: None) -> None:
    """Somebody who tries the console on them finds dry runs that do something."""
    settings.DEBUG = True
    call_command("seed_load", calls=60, days=2, namespaces="chatlab")
    persisted = ServiceCallRecord.objects.filter(
        domain_persist_state="persisted", service_identity=GeneratePatientReply.identity
    )
    report = dry_run(persisted[0].pk, Policy.UPDATE)
    assert report.outcome is ReprocessOutcome.UPDATED, report


@pytest.mark.postgres_only
def test_many_calls_are_copies_of_a_day_that_fit_together(
    settings: Any, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = True
    monkeypatch.setattr(seed_load, "MANY", 600)
    before = _indexes_and_references()
    others = {failed(ordering_key="theirs", sequence=number).pk for number in (1, 2)}  # are not copied
    call_command("seed_load", calls=900, days=3)
    assert _indexes_and_references() == before
    assert set(ServiceCallRecord.objects.filter(ordering_key="theirs").values_list("pk", flat=True)) == others
    ServiceCallRecord.objects.filter(pk__in=others).delete()
    days = ServiceCallRecord.objects.values_list(TruncDate("created_at"), "id")
    assert len({day for day, _ in days}) >= 3
    assert 800 < len(days) <= 900
    calls = ServiceCallRecord.objects.filter(status="succeeded").prefetch_related("request_audits", "response_audits")
    assert sorted(calls, key=lambda call: call.created_at) == sorted(calls, key=lambda call: call.pk)
    for call in calls:
        said = call.stored_response()
        assert (call.result["call_id"], said.correlation_id) == (call.pk, call.correlation_id)
        assert {answer.ai_request.call_id for answer in call.response_audits.all()} == {call.pk}
        assert {request.correlation_id for request in call.request_audits.all()} == {call.correlation_id}
    persisted = set(calls.filter(domain_persisted=True).values_list("pk", flat=True))
    assert set(PersistedChunk.objects.values_list("call_id", flat=True)) == persisted
    assert PersistedObject.objects.count() == len(persisted)


def _indexes_and_references() -> set[str]:
    with connection.cursor() as cursor:
        # Without conditions: PostgreSQL writes those of an index that is made again with other parentheses.
        cursor.execute("SELECT split_part(indexdef, ' WHERE ', 1) FROM pg_indexes WHERE schemaname = 'public'")
        indexes = cursor.fetchall()
        cursor.execute("SELECT conrelid::regclass || pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'")
        return {text for (text,) in [*indexes, *cursor.fetchall()]}


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (("--calls", "0"), "--calls: must be a whole number from 1 to"),
        (("--calls", "5", "--days", "0"), "--days: must be a number above 0"),
    ],
)
def test_it_refuses_what_makes_no_sense(settings: Any, options: tuple[str, ...], refusal: str) -> None:
    settings.DEBUG = True
    with pytest.raises(CommandError, match=refusal):
        call_command("seed_load", *options)


def test_it_refuses_to_write_into_a_production_database() -> None:
    with pytest.raises(CommandError, match="DJANGO_DEBUG"):
        call_command("seed_load", calls=5)
