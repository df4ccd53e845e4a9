"""The same for full reviews: a run that went well is spoiled in one place at a time, and each must be found."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from apps.consensus.models import Run, StepProgress
from apps.consensus.models.results import Decision, PersonaReview
from apps.consensus.models.runs import RunEvent
from chaos.options import CALLS_OF_ONE
from chaos.plan import PlannedCall
from chaos.records import Findings, Records, compare
from chaos.scenarios import make_scenario
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain

pytestmark = pytest.mark.django_db
PLANNED = PlannedCall(number=4, at=0.0, priority=10, ordering_key="", delay=0.0, fault=None)
SCENARIO = make_scenario("consensus")


@pytest.fixture
def ran() -> Callable[[], Records]:
    """One run, submitted twice and done; gives its records as they are by then."""
    with scripted() as simulator:
        run_id = SCENARIO.submit(PLANNED, seed=1)
        assert SCENARIO.submit(PLANNED, seed=1) == run_id
        drain()
    ledger = list(simulator.request_log.entries)
    return lambda: Records(
        submitted={PLANNED.number: run_id},
        ledger=ledger,
        calls={record.pk: record for record in ServiceCallRecord.objects.all()},
        audits=list(AIRequestAudit.objects.select_related("response_audit")),
        rows=SCENARIO.rows(),
    )


def found(records: Records) -> dict[str, int]:
    findings = compare(records, SCENARIO)
    return {name: len(found) for name in Findings.__dataclass_fields__ if (found := getattr(findings, name))}


def test_a_run_that_went_well_is_clean(ran: Callable[[], Records]) -> None:
    assert found(ran()) == {}
    assert len(ran().calls) == CALLS_OF_ONE["consensus"]
    assert Run.objects.get().priority == "high"


def test_a_missing_decision_is_a_lost_run(ran: Callable[[], Records]) -> None:
    Decision.objects.all().delete()
    assert found(ran()) == {"lost": 1}


def test_a_second_call_or_completion_of_a_step_is_a_duplicate(ran: Callable[[], Records]) -> None:
    record = ServiceCallRecord.objects.filter(context__persona_id="critic").get()
    record.pk = "again"
    record.save(force_insert=True)
    event = RunEvent.objects.filter(kind="run", data__status="completed").get()
    run = Run.objects.get()
    run.add_event("run", event.data)
    assert found(ran()) == {"duplicated": 2}


def test_a_run_that_nobody_submitted_is_a_duplicate(ran: Callable[[], Records]) -> None:
    records = ran()
    records.submitted.clear()
    assert found(records) == {"duplicated": 1}


def spoil_review() -> None:
    review = PersonaReview.objects.get(persona_id="architect")
    review.review_json["strengths"] = ["Nobody said so."]
    review.save()


def spoil_request() -> None:
    review = PersonaReview.objects.get(persona_id="architect")
    review.prompt_parameters_json["request_id"] = "resp_of_nobody"
    review.save()


def spoil_proposal() -> None:
    proposal = Run.objects.get().proposal
    proposal.expanded_proposal_json["title"] = "Another"
    proposal.save()


def spoil_decision() -> None:
    Decision.objects.update(overall_weighted_confidence=Decimal("0.0001"))


@pytest.mark.parametrize("spoil", [spoil_review, spoil_request, spoil_proposal, spoil_decision])
def test_a_row_that_contradicts_the_answers_is_false(ran: Callable[[], Records], spoil: Callable[[], None]) -> None:
    spoil()
    assert found(ran()) == {"falsely_persisted": 1}


def test_gaps_in_events_and_early_reviews_are_out_of_order(ran: Callable[[], Records]) -> None:
    RunEvent.objects.filter(sequence=3).delete()
    assert found(ran()) == {"out_of_order": 1}
    RunEvent.objects.filter(sequence__gt=3).delete()
    Run.objects.update(last_event=2)
    assert found(ran()) == {}
    run = Run.objects.get()
    step = StepProgress.objects.exclude(call=None).filter(step="review_critic").get()
    ServiceCallRecord.objects.filter(pk=step.call_id).update(created_at=run.created_at)
    assert found(ran()) == {"out_of_order": 1}
