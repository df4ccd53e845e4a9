"""An idea becomes a proposal, five reviews side by side, and one decision."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps.consensus.decision import decide
from apps.consensus.models import Decision, Run, RunStatus
from apps.consensus.models.runs import STEPS
from apps.consensus.shipped import PERSONA_IDS, PERSONAS
from apps.consensus.streaming import look
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.faults import Fault
from orchestration.providers.simulator import scripted
from orchestration.testing import run_due_calls
from persistence.replay import Replayed, persist_again, revert
from tests.apps.consensus.reviewing import (
    IDEA,
    PROPOSAL,
    assert_two_answers_of_waiting,
    blocking,
    marker,
    new_run,
    says,
    script,
    steps_of,
)
from tests.apps.people import person

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def finished(*faults: Fault, **fields: object) -> Run:
    with scripted(*faults):
        run = new_run(person(), **fields)
        run_due_calls()
    run.refresh_from_db()
    return run


def test_a_new_run_has_seven_pending_steps_and_one_call() -> None:
    run = new_run(person())
    assert run.status == RunStatus.QUEUED
    assert list(steps_of(run)) == list(STEPS)
    assert set(steps_of(run).values()) == {"pending"}
    call = ServiceCallRecord.objects.get()
    assert (call.context, call.correlation_id) == ({"run_id": str(run.pk)}, run.pk)


def test_a_run_is_carried_to_its_decision() -> None:
    run = finished(*script())
    assert run.status == RunStatus.COMPLETED
    assert set(steps_of(run).values()) == {"completed"}
    assert run.proposal.expanded_proposal_json == PROPOSAL
    assert sorted(run.reviews.values_list("persona_id", flat=True)) == sorted(PERSONA_IDS)
    assert (run.decision_label, run.overall_weighted_confidence) == ("approve", Decimal("0.9000"))
    assert ServiceCallRecord.objects.count() == 6


def test_the_stored_decision_is_the_recomputed_one_whatever_the_simulator_says() -> None:
    run = finished()
    verdict = decide([review.as_review() for review in run.reviews.all()])
    assert run.status == RunStatus.COMPLETED
    assert run.decision.overall_weighted_confidence == verdict.overall_weighted_confidence
    assert run.overall_weighted_confidence == verdict.overall_weighted_confidence
    assert (run.decision_label, run.decision.veto_applied) == (verdict.decision, verdict.veto_applied)
    for review in run.reviews.all():
        assert Decimal(str(review.review_json["confidence_score"])) == review.confidence_score


def test_a_guardians_critical_issue_turns_approval_into_revision() -> None:
    guard = says("security_guardian", 0.9, blocking_issues=blocking(critical=True))
    run = finished(*script(security_guardian=guard))
    assert (run.decision_label, run.decision.veto_applied) == ("revise", True)
    review = run.reviews.get(persona_id="security_guardian")
    assert (review.blocking_issues_present, review.security_concerns_present) == (True, True)
    assert [report["persona_id"] for report in run.decision.decision_json["minority_reports"]] == ["security_guardian"]


def test_a_review_keeps_how_it_was_made() -> None:
    run = finished(*script())
    parameters = run.reviews.get(persona_id="critic").prompt_parameters_json
    assert parameters.pop("request_id")
    assert parameters.pop("model")
    assert parameters == {"temperature": 0.2, "persona_template_version": "1.0.0", "attempt_count": 1}


def test_five_reviews_run_side_by_side() -> None:
    with scripted(latency_ms=500) as simulation:
        run = new_run(person())
        run_due_calls()
    assert_two_answers_of_waiting(run, simulation.ledger.entries)


def test_every_personas_full_text_is_sent_the_veto_instruction_included() -> None:
    run = finished(*script(), extra_context={"budget": "none"})
    for persona in PERSONAS:
        call = ServiceCallRecord.objects.get(
            consensus_steps__step=f"review_{persona.persona_id}", related_object_id=run.pk
        )
        developer, user = AIRequestAudit.objects.get(call=call).messages
        assert persona.instruction in developer["content"]
        assert marker(persona.persona_id) in developer["content"]
        assert run.prompt_set.review_instruction in developer["content"]
        assert ("You alone hold a veto" in developer["content"]) is (persona.persona_id == "security_guardian")
        assert IDEA in user["content"]
        assert PROPOSAL["proposed_solution"] in user["content"]
        assert '"budget": "none"' in user["content"]
        assert IDEA not in developer["content"]


def test_temperatures_and_models_are_those_of_the_settings() -> None:
    finished(*script())
    audits = AIRequestAudit.objects.order_by("id")
    assert [audit.parameters["temperature"] for audit in audits] == [0.7, *[0.2] * 5]


def test_each_change_is_an_event_numbered_without_gaps() -> None:
    run = finished(*script())
    assert list(run.events.values_list("sequence", flat=True)) == list(range(1, run.last_event + 1))
    last = run.events.last()
    assert last is not None
    assert (last.kind, last.data["status"]) == ("run", "completed")


def test_a_look_at_a_quiet_run_reads_one_row(django_assert_num_queries: Any) -> None:
    run = finished(*script())
    with django_assert_num_queries(1):
        assert look(run.pk, run.last_event).events == []
    with django_assert_num_queries(2):
        assert len(look(run.pk, run.last_event - 1).events) == 1


def test_a_review_that_is_taken_back_and_stored_again_decides_again_and_gives_no_event_number_twice() -> None:
    run = finished(*script())
    seen, decided = run.last_event, Decision.objects.get().decision_json
    last = run.steps.get(step=f"review_{run.reviews.latest('pk').persona_id}")
    assert revert(last.call_id).outcome is Replayed.REVERTED
    run.refresh_from_db()
    assert (run.status, Decision.objects.exists()) == (RunStatus.RUNNING, False)
    assert persist_again(last.call_id).outcome is Replayed.PERSISTED
    run.refresh_from_db()
    assert (run.status, Decision.objects.get().decision_json) == (RunStatus.COMPLETED, decided)
    told = [event.kind for event in run.events.filter(sequence__gt=seen)]
    assert told == ["step", "step", "step", "run"], "a reader who has seen the rest is told of the second time"


def test_a_replayed_review_changes_nothing() -> None:
    run = finished(*script())
    before = Decision.objects.get().decision_json
    call = ServiceCallRecord.objects.get(context__persona_id="critic")
    ServiceCallRecord.objects.create(
        service_identity=call.service_identity,
        namespace=call.namespace,
        context=call.context,
        max_attempts=1,
        schema_identity=call.schema_identity,
    )
    with scripted(says("critic", 0.1)):
        run_due_calls()
    run.refresh_from_db()
    assert run.reviews.count() == 5
    assert Decision.objects.get().decision_json == before
