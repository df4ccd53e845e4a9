"""Stored proposals and reviews over two schema versions, persisted: as shown, once, and without a provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.consensus.models import Decision, PersonaReview, ProposalVersion, Run, RunStatus
from apps.consensus.orca.schemas import ProposalOutputSchema, ReviewOutputSchema
from apps.consensus.orca.services import ExpandIdea, ReviewAsPersona
from apps.consensus.shipped import PERSONA_IDS
from orchestration.models import AIRequestAudit, ServiceCallRecord
from persistence.agreement import differences, essence
from persistence.models import PersistedObject
from persistence.replay import Policy, Replayed, Report, dry_run, persist_again
from persistence.testing import unsaved_result
from persistence.upgrades import forget_upgrades, schema_coverage, upgrade
from tests.apps.consensus.reviewing import PROPOSAL, new_run, review_answer

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.timeout(300)]
RUNS = 167
RESULTS = RUNS * (1 + len(PERSONA_IDS))
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
def test_stored_answers_over_two_versions_become_decisions_as_shown_and_the_second_time_nothing_changes(
    second_versions: None,
) -> None:
    user = User.objects.create_user("ann@example.com", "pw")
    runs = [new_run(user) for _ in range(RUNS)]
    records = [record for number, run in enumerate(runs) for record in answers(run, number)]
    assert len(records) == RESULTS
    for schema, count in ((ProposalOutputSchema, RUNS), (ReviewOutputSchema, RESULTS - RUNS)):
        found = schema_coverage(schema)
        assert (found.current + found.upgradable, found.not_upgradable) == (count, 0)
        assert min(found.current, found.upgradable) >= count // 2 - 1
    started = timezone.now()
    for record in records:
        shown = dry_run(record.pk)
        applied = persist_again(record.pk)
        assert differences(essence(shown, started), essence(applied, started)) == []
        assert applied.outcome is Replayed.PERSISTED, applied.error
        assert (comparable(shown), shown.counts, shown.unseen) == (comparable(applied), applied.counts, applied.unseen)
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.COMPLETED}
    assert (PersonaReview.objects.count(), Decision.objects.count()) == (RESULTS - RUNS, RUNS)
    before = rows()
    for policy, outcome, some in (
        (Policy.KEEP, Replayed.KEPT, records),
        (Policy.UPDATE, Replayed.UNCHANGED, records[:UPDATED]),
    ):
        for record in some:
            again = persist_again(record.pk, policy)
            assert (again.outcome, again.changes) == (outcome, []), again.error
    assert rows() == before
    assert not AIRequestAudit.objects.exists()


def test_an_update_changes_rows_but_no_decision(second_versions: None) -> None:
    run = new_run(User.objects.create_user("ann@example.com", "pw"))
    proposal, *reviews = answers(run, 1)
    for record in (proposal, *reviews[:1]):
        assert persist_again(record.pk).outcome is Replayed.PERSISTED
    for record, name, value in ((proposal, "title", "Another"), (reviews[0], "confidence_score", 0.75)):
        record.result["structured_data"][name] = value
        record.save(update_fields=["result"])
        shown, applied = dry_run(record.pk, Policy.UPDATE), persist_again(record.pk, Policy.UPDATE)
        assert applied.outcome is Replayed.UPDATED and comparable(shown) == comparable(applied), applied.error
        assert persist_again(record.pk, Policy.UPDATE).outcome is Replayed.UNCHANGED
    assert ProposalVersion.objects.get().expanded_proposal_json["title"] == "Another"
    assert str(PersonaReview.objects.get().confidence_score) == "0.7500"
    for record in reviews[1:]:
        persist_again(record.pk)
    decided = rows()
    reviews[0].result["structured_data"]["confidence_score"] = 0.1
    reviews[0].save(update_fields=["result"])
    refused = persist_again(reviews[0].pk, Policy.UPDATE)
    assert refused.outcome is Replayed.REFUSED and "revise the run" in refused.error
    assert rows() == decided
