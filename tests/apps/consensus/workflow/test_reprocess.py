"""Stored proposals and reviews over two schema versions, persisted: as shown, once, and without a provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.accounts.models import User
from apps.consensus.decision.personas import PERSONA_IDS
from apps.consensus.models import Decision, PersonaReview, ProposalVersion, Run, RunStatus
from apps.consensus.orca.schemas import ProposalOutputSchema, ReviewOutputSchema
from apps.consensus.orca.services import ExpandIdea, ReviewAsPersona
from orchestration.clock import earlier_than_new_times
from orchestration.models import AIRequestAudit, ServiceCallRecord
from persistence.handlers.schema_upgrades import forget_upgrades, schema_coverage, upgrade
from persistence.models import PersistedObject
from persistence.reprocessing.dry_run_check import differences, essence
from persistence.reprocessing.reprocess import Policy, Report, ReprocessOutcome, dry_run, reprocess, revert
from persistence.testing import unsaved_result
from tests.apps.consensus.reviewing import PROPOSAL, new_run, review_answer

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.timeout(300)]
LONG = (pytest.mark.long, pytest.mark.postgres_only)
"""A thousand answers take a minute, and differ between databases in nothing but that."""
UPDATED = 60
"""What a handler brings up to date again; keeping is tried with all."""
TICKING = {"created_at", "updated_at", "started_at", "completed_at", "finished_at", "due_at"}
"""The clock's columns; keys and the fresh ids of follow-up calls differ, too."""


@pytest.fixture
def second_versions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Version 1 of a proposal had no summary, that of a review no risks."""
    for schema, missing in ((ProposalOutputSchema, {"summary": "It has none."}), (ReviewOutputSchema, RISKS)):
        monkeypatch.setattr(schema, "version", 2)
        upgrade(schema, from_version=1)(lambda data, missing=missing: {**data, **missing})
    yield
    forget_upgrades(ProposalOutputSchema)
    forget_upgrades(ReviewOutputSchema)


RISKS: dict[str, Any] = {"dependency_risks": []}


def answer(service: Any, data: dict[str, Any], run: Run, version: int, **context: str) -> ServiceCallRecord:
    """An unsaved answer as that version of its schema had it."""
    without = {"summary", "dependency_risks"} if version == 1 else set()
    return unsaved_result(
        service.identity,
        service.schema,
        {key: value for key, value in data.items() if key not in without},
        context={"run_id": str(run.pk), **context},
        schema_version=version,
    )


def answers(run: Run, number: int) -> list[ServiceCallRecord]:
    """A proposal and a review of each persona, stored."""
    scores = [0.5 + (number + position) % 10 / 20 for position in range(len(PERSONA_IDS))]
    reviews = zip(PERSONA_IDS, scores, strict=True)
    return ServiceCallRecord.objects.bulk_create(
        [
            answer(ExpandIdea, PROPOSAL, run, 1 + number % 2),
            *(
                answer(ReviewAsPersona, review_answer(score), run, 1 + (number + place) % 2, persona_id=persona)
                for place, (persona, score) in enumerate(reviews)
            ),
        ]
    )


def comparable(report: Report) -> list[Any]:
    """Every row of the chunks and beside them, but for new keys and the clock. A call that is submitted has an id made
    of both, and a step or an event may name it."""
    told = []
    for change in report.changes:
        model = change.model._meta.model_name
        random = {"id", "call_id", "data"} if model in {"stepprogress", "runevent", "servicecallrecord"} else {"id"}
        fields = {name: pair for name, pair in change.fields.items() if name not in TICKING | random}
        told.append((model, change.action, fields))
    return told


def rows() -> list[Any]:
    return [
        list(model._base_manager.order_by("pk").values())
        for model in (Run, ProposalVersion, PersonaReview, Decision, PersistedObject)
    ]


@pytest.mark.django_db(transaction=True)  # thousands of savepoints in one transaction slow PostgreSQL down
@pytest.mark.parametrize("number_of_runs", [4, pytest.param(167, marks=LONG)])
def test_reprocessing_two_versions_decides_as_shown_once(second_versions: None, number_of_runs: int) -> None:
    """With 167 runs it is a thousand answers."""
    results = number_of_runs * (1 + len(PERSONA_IDS))
    user = User.objects.create_user("ann@example.com", "pw")
    runs = [new_run(user) for _ in range(number_of_runs)]
    records = [record for number, run in enumerate(runs) for record in answers(run, number)]
    assert len(records) == results
    for schema, count in ((ProposalOutputSchema, number_of_runs), (ReviewOutputSchema, results - number_of_runs)):
        found = schema_coverage(schema)
        assert (found.current + found.upgradable, found.not_upgradable) == (count, 0)
        assert min(found.current, found.upgradable) >= count // 2 - 1
    started = earlier_than_new_times()
    for record in records:
        shown = dry_run(record.pk)
        applied = reprocess(record.pk)
        assert differences(essence(shown, started), essence(applied, started)) == []
        assert applied.outcome is ReprocessOutcome.PERSISTED, applied.error
        assert (comparable(shown), shown.counts, shown.unseen) == (comparable(applied), applied.counts, applied.unseen)
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.COMPLETED}
    assert (PersonaReview.objects.count(), Decision.objects.count()) == (results - number_of_runs, number_of_runs)
    before = rows()
    for policy, outcome, some in (
        (Policy.KEEP, ReprocessOutcome.KEPT, records),
        (Policy.UPDATE, ReprocessOutcome.UNCHANGED, records[:UPDATED]),
    ):
        for record in some:
            again = reprocess(record.pk, policy)
            assert (again.outcome, again.changes) == (outcome, []), again.error
    assert rows() == before
    assert not AIRequestAudit.objects.exists()


def test_an_update_changes_rows_but_no_decision(second_versions: None) -> None:
    run = new_run(User.objects.create_user("ann@example.com", "pw"))
    proposal, *reviews = answers(run, 1)
    for record in (proposal, *reviews[:1]):
        assert reprocess(record.pk).outcome is ReprocessOutcome.PERSISTED
    for record, name, value in ((proposal, "title", "Another"), (reviews[0], "confidence_score", 0.75)):
        record.result["structured_data"][name] = value
        record.save(update_fields=["result"])
        shown, applied = dry_run(record.pk, Policy.UPDATE), reprocess(record.pk, Policy.UPDATE)
        assert applied.outcome is ReprocessOutcome.UPDATED, applied.error
        assert comparable(shown) == comparable(applied)
        assert reprocess(record.pk, Policy.UPDATE).outcome is ReprocessOutcome.UNCHANGED
    assert ProposalVersion.objects.get().expanded_proposal_json["title"] == "Another"
    assert str(PersonaReview.objects.get().confidence_score) == "0.7500"
    for record in reviews[1:]:
        reprocess(record.pk)
    decided = rows()
    for score in (0.1, 0.750001):  # the second is the same in 4 places
        reviews[0].result["structured_data"]["confidence_score"] = score
        reviews[0].save(update_fields=["result"])
        refused = reprocess(reviews[0].pk, Policy.UPDATE)
        assert refused.outcome is ReprocessOutcome.REFUSED
        assert "revise the run" in refused.error
        assert rows() == decided


def decided_run() -> tuple[Run, list[ServiceCallRecord]]:
    """A completed run, and its proposal and reviews."""
    run = new_run(User.objects.create_user("ann@example.com", "pw"))
    records = answers(run, 1)
    for record in records:
        assert reprocess(record.pk).outcome is ReprocessOutcome.PERSISTED
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    return run, records


@pytest.mark.parametrize("position", [0, 1, -2])
def test_a_decided_run_keeps_what_it_was_decided_of(second_versions: None, position: int) -> None:
    run, records = decided_run()
    before, events, call = rows(), list(run.events.values()), records[position]
    for force in (False, True):
        for report in (
            revert(call.pk, force=force, dry=True),
            revert(call.pk, force=force),
            dry_run(call.pk, Policy.RECREATE, force=force),
            reprocess(call.pk, Policy.RECREATE, force=force),
        ):
            assert report.outcome is ReprocessOutcome.REFUSED
            assert "revise the run" in report.error
    assert (rows(), list(run.events.values())) == (before, events)


def test_the_review_that_decided_goes_with_the_decision_only(second_versions: None) -> None:
    run, records = decided_run()
    before = rows()
    for force in (False, True):
        report = reprocess(records[-1].pk, Policy.RECREATE, force=force)
        assert report.outcome is ReprocessOutcome.REFUSED
        assert "revise the run" in report.error
    assert rows() == before
    assert revert(records[-1].pk).outcome is ReprocessOutcome.REVERTED
    run.refresh_from_db()
    assert (run.status, run.reviews.count()) == (RunStatus.RUNNING, len(PERSONA_IDS) - 1)
    assert not Decision.objects.exists()


def test_a_review_of_a_pruned_call_is_known_by_its_step(second_versions: None) -> None:
    run, records = decided_run()
    run.steps.filter(step__startswith="review_").update(call=records[1])
    ServiceCallRecord.objects.filter(pk=records[1].pk).update(context={})
    assert "revise the run" in revert(records[1].pk).error


def test_a_call_that_names_no_run_belongs_to_nobody(second_versions: None) -> None:
    _, records = decided_run()
    for named in ("not a run", None, 7, ["x"]):
        ServiceCallRecord.objects.filter(pk=records[1].pk).update(context={"run_id": named})
        assert "revise the run" not in revert(records[1].pk, dry=True).error


def test_a_review_of_an_open_run_is_recreated_and_taken_back(second_versions: None) -> None:
    run = new_run(User.objects.create_user("ann@example.com", "pw"))
    proposal, review, *_ = answers(run, 1)
    reprocess(proposal.pk)
    started = list(run.steps.order_by("position").values())
    reprocess(review.pk)
    before, events = rows(), list(run.events.values())
    shown, applied = dry_run(review.pk, Policy.RECREATE), reprocess(review.pk, Policy.RECREATE)
    assert (shown.outcome, applied.outcome) == (ReprocessOutcome.UNCHANGED, ReprocessOutcome.UNCHANGED), [
        (c.model, c.fields) for c in applied.changes
    ]
    assert (rows(), list(run.events.values())) == (before, events)
    assert revert(review.pk).outcome is ReprocessOutcome.REVERTED
    assert list(run.steps.order_by("position").values()) == started
    assert not run.reviews.exists()


def test_a_proposal_whose_reviews_are_asked_for_is_not_recreated(second_versions: None) -> None:
    run = new_run(User.objects.create_user("ann@example.com", "pw"))
    proposal = answers(run, 1)[0]
    reprocess(proposal.pk)
    calls = ServiceCallRecord.objects.count()
    report = reprocess(proposal.pk, Policy.RECREATE)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert f"submit {len(PERSONA_IDS)} calls again" in report.error
    assert ServiceCallRecord.objects.count() == calls
