"""An idea becomes a proposal, five reviews side by side, and one decision."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps.consensus.api.event_stream import look
from apps.consensus.decision import decide, quantized
from apps.consensus.decision.personas import PERSONA_IDS
from apps.consensus.models import Decision, Run, RunStatus
from apps.consensus.models.runs import STEPS
from apps.consensus.prompt_sets.defaults import PERSONAS
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from persistence.reprocessing.reprocess import ReprocessOutcome, reprocess, revert
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
        drain()
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


def test_the_stored_decision_is_the_recomputed_one() -> None:
    """What the model says about the decision does not count."""
    run = finished()
    verdict = decide([review.as_review() for review in run.reviews.all()])
    assert run.status == RunStatus.COMPLETED
    assert run.decision.overall_weighted_confidence == verdict.overall_weighted_confidence
    assert run.overall_weighted_confidence == verdict.overall_weighted_confidence
    assert (run.decision_label, run.decision.veto_applied) == (verdict.decision, verdict.veto_applied)
    for review in run.reviews.all():
        assert quantized(Decimal(str(review.review_json["confidence_score"]))) == review.confidence_score


def test_scores_are_weighted_as_written_and_rounded_once() -> None:
    """Rounded one by one, they would come to 0.8000 and approve."""
    scores = {"architect": 0.79995, "critic": 0.79995, "optimist": 0.79994}
    scores |= {"security_guardian": 0.79994, "user_advocate": 0.79994}
    run = finished(*script(**{persona: says(persona, score) for persona, score in scores.items()}))
    assert (run.decision_label, run.overall_weighted_confidence) == ("revise", Decimal("0.7999"))
    assert run.decision.decision_json["score_breakdown"]["scores"] == {name: str(n) for name, n in scores.items()}
    assert str(run.reviews.get(persona_id="architect").confidence_score) == "0.8000"


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
        drain()
    assert_two_answers_of_waiting(run, simulation.request_log.entries)


def test_every_personas_full_text_is_sent_with_the_veto_rule() -> None:
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


def test_a_review_reverted_and_stored_again_decides_again() -> None:
    """No event number is given twice."""
    run = finished(*script())
    seen, decided = run.last_event, Decision.objects.get().decision_json
    last = run.steps.get(step=f"review_{run.reviews.latest('pk').persona_id}")
    assert revert(last.call_id).outcome is ReprocessOutcome.REVERTED
    run.refresh_from_db()
    assert (run.status, Decision.objects.exists()) == (RunStatus.RUNNING, False)
    assert reprocess(last.call_id).outcome is ReprocessOutcome.PERSISTED
    run.refresh_from_db()
    assert (run.status, Decision.objects.get().decision_json) == (RunStatus.COMPLETED, decided)
    told = [event.kind for event in run.events.filter(sequence__gt=seen)]
    assert told == ["step", "step", "step", "run"], "a reader who has seen the rest is told of the second time"


def test_a_reprocessed_review_changes_nothing() -> None:
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
        drain()
    run.refresh_from_db()
    assert run.reviews.count() == 5
    assert Decision.objects.get().decision_json == before
