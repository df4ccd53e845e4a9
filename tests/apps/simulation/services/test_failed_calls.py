"""Replies that fail by the thousand: who waits for them is told in few statements, and the calls are not searched."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.chatlab.models import Delivery, Message, MessageRole, store_message
from apps.chatlab.orca.services import GeneratePatientInitial, GeneratePatientReply
from apps.chatlab.services.replies import settle_overdue
from apps.simulation.models import Simulation, SimulationEvent, SimulationStatus
from apps.simulation.services import failed_calls
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.signals import calls_gave_no_result
from orchestration.testing import make_call
from persistence.conf import persistence_settings
from persistence.outbox.drain import drain_batch
from persistence.testing import unsaved_result
from tests.apps.people import person

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

DEAD: dict[str, Any] = {"status": Status.SUCCEEDED, "result": {}, "domain_persist_state": PersistState.DEAD}
CANCELLED: dict[str, Any] = {"status": Status.CANCELLED, "error_code": "cancelled"}
SAYS_NOTHING_WRONG = {
    "image_requested": False,
    "messages": [{"role": "patient", "content": [{"type": "text", "text": "It hurts."}]}],
    "llm_conditions_check": [],
    "facts": [],
}


def running(**fields: Any) -> Simulation:
    given: dict[str, Any] = {"status": SimulationStatus.RUNNING, **fields}
    return Simulation.objects.create(user=person(), sim_patient_full_name="Maria Alvarez", **given)


def asked(simulation: Simulation, **state: Any) -> Message:
    """A question that waits, whose call is in this state."""
    context = {"simulation_id": simulation.pk, "message_id": 0}
    call = make_call(GeneratePatientReply, context=context, **state)
    return store_message(
        simulation, role=MessageRole.USER, content="Where?", call=call, delivery_status=Delivery.PENDING
    )


def calls_of(questions: list[Message]) -> list[str]:
    return [str(question.call_id) for question in questions]


def statements_for(questions: list[Message]) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert settle_overdue(calls_of(questions)) == len(questions)
    return len(captured)


def test_many_take_no_more_statements_than_few() -> None:
    few, many = [asked(running(), **DEAD) for _ in range(2)], [asked(running(), **DEAD) for _ in range(30)]
    assert statements_for(few) == statements_for(many)
    assert {message.failure_code for message in Message.objects.all()} == {"not_stored"}


def test_groups_of_simulations_are_settled_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_calls, "AT_ONCE", 2)
    questions = [asked(running(), **DEAD) for _ in range(5)]
    assert settle_overdue() == 5
    assert settle_overdue(calls_of(questions)) == 0


def test_each_question_gets_the_verdict_on_its_own_call() -> None:
    simulation = running()
    dead, cancelled, waiting = asked(simulation, **DEAD), asked(simulation, **CANCELLED), asked(simulation)
    assert settle_overdue() == 2
    states = {
        message.pk: (message.delivery_status, message.failure_code, message.retryable)
        for message in Message.objects.all()
    }
    assert states == {
        dead.pk: ("failed", "not_stored", False),
        cancelled.pk: ("failed", "cancelled", True),
        waiting.pk: ("pending", "", False),
    }


def test_their_events_have_numbers_without_gaps() -> None:
    first, second = running(), running()
    asked(first, **DEAD), asked(first, **CANCELLED), asked(second, **DEAD)
    settle_overdue()
    for simulation, events in ((first, 4), (second, 2)):
        simulation.refresh_from_db()
        rows = SimulationEvent.objects.after(simulation.pk, 0)
        assert [event.sequence for event in rows] == list(range(1, events + 1))
        assert simulation.last_event == events
    assert SimulationEvent.objects.filter(kind="delivery", data__delivery_status="failed").count() == 3


def test_openings_fail_with_the_verdict_on_their_calls() -> None:
    preparing = [running(status=SimulationStatus.PREPARING) for _ in range(3)]
    for simulation, state in zip(preparing, (DEAD, CANCELLED, {}), strict=True):
        simulation.initial_call = make_call(GeneratePatientInitial, context={"simulation_id": simulation.pk}, **state)
        simulation.save()
    assert settle_overdue([str(simulation.initial_call_id) for simulation in preparing]) == 2
    codes = list(Simulation.objects.order_by("pk").values_list("status", "failure_code"))
    assert codes == [("failed", "not_stored"), ("failed", "cancelled"), ("preparing", "")]
    assert SimulationEvent.objects.filter(kind="status", data__failure_code="not_stored").count() == 1


def test_a_drain_settles_its_dead_results_together(django_capture_on_commit_callbacks: Any) -> None:
    questions = [asked(running()) for _ in range(4)]
    last_try = persistence_settings().DOMAIN_PERSIST_MAX_ATTEMPTS - 1
    for question in questions:
        context = {"simulation_id": question.simulation_id, "message_id": -1}  # there is no such question
        service = GeneratePatientReply
        record = unsaved_result(service.identity, service.wiring.schema, SAYS_NOTHING_WRONG, context=context)
        record.domain_persist_attempts = last_try
        record.save(force_insert=True)
        Message.objects.filter(pk=question.pk).update(call=record)
    heard: list[list[str]] = []

    def hear(*, call_ids: list[str], **_: Any) -> None:
        heard.append(call_ids)

    calls_gave_no_result.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            assert drain_batch().failed == 4
    finally:
        calls_gave_no_result.disconnect(hear)
    assert [len(call_ids) for call_ids in heard] == [4]
    assert set(Message.objects.values_list("delivery_status", "failure_code")) == {("failed", "not_stored")}


@pytest.mark.postgres_only
def test_no_plan_reads_the_whole_table_of_calls() -> None:
    service = GeneratePatientReply
    ServiceCallRecord.objects.bulk_create(
        unsaved_result(service.identity, service.wiring.schema, {}, domain_persist_state=PersistState.DEAD)
        for _ in range(3_000)
    )
    preparing = running(status=SimulationStatus.PREPARING)
    preparing.initial_call = asked(running(), **DEAD).call
    preparing.save()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE service_call_record, message, simulation")
    for waiting in (Message.objects.overdue(), Simulation.objects.stalled(), Simulation.objects.without_feedback()):
        plan = waiting.explain()
        assert "Seq Scan on service_call_record" not in plan, plan
        assert "SubPlan" not in plan, plan
