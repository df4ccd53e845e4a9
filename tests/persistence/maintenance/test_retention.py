"""Purging content, by age and by subject; and correcting costs."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

from orchestration.fault_injection import InjectedFault, armed
from orchestration.models import AIRequestAudit, AIResponseAudit, ModelPrice, ServiceCallRecord
from persistence.maintenance.erasure import erase_subject
from persistence.maintenance.retention import prune
from persistence.models import PersistedChunk, PersistedObject
from persistence.models.retention import RetentionHeld, RetentionMark
from persistence.reprocessing.reprocess import ReprocessOutcome, reprocess
from persistence.tasks import PRUNE_TASK, prune_content
from persistence.testing import persist
from tests.persistence.reprocessing.test_reprocess import memo, one_message
from tests.persistence.reprocessing.test_rerun import answered
from tests.persistence.results import note
from tests.seedapp.models import Message, Simulation

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
DAYS = {"calls": 30, "requests": 30, "responses": 30, "tools": 30, "summaries": 30, "changes": 30}
LATER = timedelta(days=31)


def test_content_goes_and_metrics_and_provenance_stay():
    """Idempotency stays as well."""
    call = answered("a secret")
    told = prune(days=DAYS, now=timezone.now() + LATER)
    call.refresh_from_db()
    assert told.dry_run
    assert call.result is not None
    done = prune(days=DAYS, dry_run=False, now=timezone.now() + LATER)
    assert done.rows == told.rows == {**dict.fromkeys(DAYS, 0), "calls": 1, "requests": 1, "responses": 1}
    call.refresh_from_db()
    request, answer = AIRequestAudit.objects.get(), AIResponseAudit.objects.get()
    assert (call.result, call.input, call.context, request.messages, answer.raw) == (None, {}, {}, [], None)
    assert call.total_tokens
    assert answer.total_tokens
    assert call.domain_persisted
    assert PersistedChunk.objects.exists()
    assert PersistedObject.objects.exists()
    assert Message.objects.exists()
    assert prune(days=DAYS, dry_run=False, now=timezone.now() + LATER).rows["calls"] == 0
    report = reprocess(call.pk)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert "purged" in report.error


def test_a_prune_that_died_between_batches_resumes():
    call = answered("a secret")
    later = timezone.now() + LATER
    with armed("in_prune"), pytest.raises(InjectedFault):
        prune(days=DAYS, dry_run=False, now=later)
    call.refresh_from_db()
    assert call.result is None
    assert AIRequestAudit.objects.get().messages
    assert prune(days=DAYS, dry_run=False, now=later).rows["requests"] == 1
    assert AIRequestAudit.objects.get().messages == []


def test_what_is_young_or_not_finished_with_stays():
    pending, young = note(one_message), memo("x")
    ServiceCallRecord.objects.filter(pk=pending.pk).update(finished_at=timezone.now() - LATER)
    persist(young)
    assert prune(days=DAYS, dry_run=False).rows["calls"] == 0


def aged(record, days=40):
    then = timezone.now() - timedelta(days=days)
    ServiceCallRecord.objects.filter(pk=record.pk).update(created_at=then, finished_at=then)
    return record


def test_purged_calls_are_not_read_again_and_held_ones_are_later():
    """What was held is taken up when its time comes."""
    done, dead = aged(note(one_message)), aged(note(one_message, domain_persist_attempts=1))
    persist(done)
    assert prune(days={"calls": 30}).rows["calls"] == 1
    assert prune(days={"calls": 30}, dry_run=False).rows["calls"] == 1
    assert RetentionHeld.objects.get().row_id == dead.pk
    assert abs(RetentionMark.objects.get().until - (timezone.now() - timedelta(days=30))) < timedelta(minutes=1)
    late = aged(note(one_message), days=35)
    persist(late)
    with CaptureQueriesContext(connection) as captured:
        assert prune(days={"calls": 30}, dry_run=False).rows["calls"] == 0
    assert not [query for query in captured if query["sql"].startswith('UPDATE "service_call_record"')]
    persist(dead)
    assert prune(days={"calls": 30}).rows["calls"] == 1
    assert prune(days={"calls": 30}, dry_run=False).rows["calls"] == 1
    assert not RetentionHeld.objects.exists()
    assert prune(days={"calls": 30}, from_start=True).rows["calls"] == 1, "brought in with a time of long ago"
    assert prune(days={"calls": 30}, dry_run=False, from_start=True).rows["calls"] == 1


def test_a_prune_goes_by_batches_and_leaves_a_task_at_its_limit(settings, monkeypatch):
    monkeypatch.setattr("persistence.maintenance.retention.BATCH", 2)
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_RETENTION_DAYS": {"calls": 30}}
    records = [aged(note(one_message), days=40 - number) for number in range(5)]
    for record in records:
        persist(record)
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_BUDGET_SECONDS": 1e-9}
    assert prune_content() == {"calls": 2}
    assert [row.func() for row in OrmQ.objects.all()] == [PRUNE_TASK]
    assert prune(days={"calls": 30}, dry_run=False).rows == {"calls": 3}
    assert not ServiceCallRecord.objects.filter(result__isnull=False).exists()


def test_everything_about_a_subject_goes_whatever_its_age():
    subject, other = (Simulation.objects.create(sim_patient_full_name=name) for name in "ab")
    about, unrelated = note(one_message, related_object=subject), note(one_message, related_object=other)
    held = note(one_message, related_object=subject)
    persist(about), persist(unrelated)
    assert erase_subject(subject).rows["calls"] == 1
    report = erase_subject(subject, dry_run=False)
    assert (report.rows["calls"], report.held) == (1, 1)
    for record, kept in ((about, False), (unrelated, True), (held, True)):
        record.refresh_from_db()
        assert (record.result is not None) is kept


def test_a_user_is_a_subject():
    user = get_user_model().objects.create_user("ann@example.com", "pw")
    record = note(one_message, requested_by=user)
    persist(record)
    assert erase_subject(user, dry_run=False).rows["calls"] == 1


def test_the_commands_are_dry_by_default(capsys):
    persist(memo("x", 1))
    memo("y", 2)
    call_command("prune", "--days", "calls=0")
    assert capsys.readouterr().out.startswith("dry run, would purge: calls 1")
    call_command("reprocess", "--filter", "state=pending")
    assert "dry run, nothing changed: 1 persisted; rows: 1 created" in capsys.readouterr().out
    assert Message.objects.count() == 1
    call_command("reprocess", "--filter", "state=pending", "--apply")
    assert Message.objects.count() == 2
    call_command("schema_coverage", "schemas.seedapp.default.MemoSchema")
    assert "2 stored, 0 current, 2 upgradable, 0 not" in capsys.readouterr().out
    with pytest.raises(CommandError, match="There is no filter"):
        call_command("reprocess", "--filter", "x=y")
    with pytest.raises(CommandError, match="KIND=DAYS"):
        call_command("prune", "--days", "everything")


def test_costs_follow_the_prices(capsys):
    call = answered("one")
    ModelPrice.objects.all().delete() if not AIResponseAudit.objects.filter(price__isnull=False).exists() else None
    price = ModelPrice.objects.create(
        provider=AIRequestAudit.objects.get().provider,
        model=AIResponseAudit.objects.get().model,
        valid_from=timezone.now() - timedelta(days=1),
        input_per_million=1000,
        cached_input_per_million=0,
        output_per_million=1000,
    )
    before = call.cost or Decimal(0)
    call_command("reprice")
    assert "dry run, would correct: 1 answers, 1 calls" in capsys.readouterr().out
    call_command("reprice", "--apply")
    call.refresh_from_db()
    assert call.cost == AIResponseAudit.objects.get().cost == price.cost(call.usage) != before
    call_command("reprice")
    assert "would correct: 0 answers" in capsys.readouterr().out
