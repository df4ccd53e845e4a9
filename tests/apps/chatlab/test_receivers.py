"""A reply that does not come: the question says so, may be tried again twice, and no other question is held up."""

from __future__ import annotations

import pytest

from apps.chatlab.models import Delivery, Message
from apps.chatlab.services.replies import settle_overdue
from apps.simulation.models import Simulation, SimulationStatus
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.signals import tick
from orchestration.testing import drain
from tests.apps.chatlab.conversation import OPENING, new_simulation, opened, say, says, transcript
from tests.apps.people import Caller, person, signed_in

pytestmark = pytest.mark.django_db

BROKEN = Fault(kind="server_error", times=0)


@pytest.fixture
def trainee() -> Caller:
    return signed_in(person())


@pytest.fixture
def running(trainee: Caller) -> Simulation:
    return opened(trainee)


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch, settings) -> None:
    """Failing calls fail at once instead of waiting for their second attempt."""
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RETRY_MAX_ATTEMPTS": 1}


def retry_of(simulation: Simulation, message: dict) -> str:
    return f"/simulations/{simulation.uuid}/messages/{message['id']}/retry"


def fetched(caller: Caller, simulation: Simulation, message: dict) -> dict:
    return caller.get(f"/simulations/{simulation.uuid}/messages/{message['id']}").json()


def test_a_failed_call_marks_its_question_failed_and_retryable(trainee: Caller, running: Simulation) -> None:
    with scripted(BROKEN):
        question = say(trainee, running, "When did it start?")["message"]
        drain()

    shown = fetched(trainee, running, question)
    assert shown["delivery_status"] == "failed"
    assert shown["failure_code"]
    assert shown["failure_reason"] == "The simulated patient could not answer."
    assert shown["retryable"] is True
    assert shown["retries_left"] == 2


def test_a_refusal_is_not_retryable(trainee: Caller, running: Simulation) -> None:
    with scripted(Fault(kind="refusal", times=0)):
        question = say(trainee, running, "Tell me something terrible")["message"]
        drain()

    shown = fetched(trainee, running, question)
    assert (shown["delivery_status"], shown["failure_code"], shown["retryable"]) == ("failed", "refused", False)
    answer = trainee.post(retry_of(running, question))
    assert answer.status_code == 409
    assert answer.json()["code"] == "not_retryable"


def test_a_retry_is_a_new_attempt_of_the_same_call(trainee: Caller, running: Simulation) -> None:
    with scripted(BROKEN):
        posted = say(trainee, running, "When did it start?")
        drain()
    with scripted(says("Since last night.")):
        answer = trainee.post(retry_of(running, posted["message"]))
        assert answer.status_code == 202, answer.content
        assert answer.json()["message"]["delivery_status"] == "pending"
        assert answer.json()["call"]["id"] == posted["call"]["id"]
        drain()

    assert fetched(trainee, running, posted["message"])["delivery_status"] == "delivered"
    assert transcript(running)[-1] == (4, "assistant", "Since last night.")
    assert ServiceCallRecord.objects.get(pk=posted["call"]["id"]).attempts == 2


def test_a_question_is_retried_twice_and_no_more(trainee: Caller, running: Simulation) -> None:
    with scripted(BROKEN):
        question = say(trainee, running, "When did it start?")["message"]
        drain()
        for _ in range(2):
            assert trainee.post(retry_of(running, question)).status_code == 202
            drain()
        answer = trainee.post(retry_of(running, question))

    assert answer.status_code == 409
    assert answer.json()["code"] == "retries_used"
    assert fetched(trainee, running, question)["retries_left"] == 0


def test_what_did_not_fail_is_not_retried(trainee: Caller, running: Simulation) -> None:
    waiting = say(trainee, running, "When did it start?")["message"]
    assert trainee.post(retry_of(running, waiting)).json()["code"] == "not_retryable"
    drain()
    assert trainee.post(retry_of(running, waiting)).json()["code"] == "not_retryable"
    opening = Message.objects.get(sequence=1)
    assert trainee.post(retry_of(running, {"id": opening.pk})).json()["code"] == "not_retryable"


def test_a_question_of_an_ended_simulation_is_not_retried(trainee: Caller, running: Simulation) -> None:
    with scripted(BROKEN):
        question = say(trainee, running, "When did it start?")["message"]
        drain()
    trainee.post(f"/simulations/{running.uuid}/end")
    assert trainee.post(retry_of(running, question)).json()["code"] == "simulation_ended"


def test_a_failed_question_does_not_hold_up_the_next_one(trainee: Caller, running: Simulation) -> None:
    """It is not part of the next question's prompt either."""
    fault = Fault(kind="server_error", contains="first question")
    with scripted(fault, says("Yes.", contains="second question")):
        say(trainee, running, "first question")
        second = say(trainee, running, "second question")
        drain()

    assert transcript(running)[-1] == (5, "assistant", "Yes.")
    sent = ServiceCallRecord.objects.get(pk=second["call"]["id"]).request_audits.get().messages
    assert "first question" not in str(sent)


def test_a_failed_opening_fails_a_simulation_that_can_be_retried(trainee: Caller) -> None:
    with scripted(BROKEN):
        simulation = new_simulation(trainee)
        drain()
    path = f"/simulations/{simulation.uuid}"
    assert trainee.get(path).json()["status"] == "failed"
    assert trainee.get(path).json()["failure_code"]

    with scripted(OPENING):
        answer = trainee.post(f"{path}/retry-initial")
        assert answer.status_code == 202, answer.content
        assert answer.json()["status"] == "preparing"
        assert answer.json()["call"]["status"] == "queued"
        drain()

    assert trainee.get(path).json()["status"] == "running"
    assert trainee.get(path).json()["failure_code"] == ""
    assert len(transcript(simulation)) == 2
    assert trainee.post(f"{path}/retry-initial").status_code == 409


def test_a_failure_whose_signal_was_lost_is_found_by_the_sweep(trainee: Caller, running: Simulation) -> None:
    question = say(trainee, running, "When did it start?")["message"]
    opening = new_simulation(trainee)
    ServiceCallRecord.objects.queued().update(status="failed", finished_at=running.created_at, error_code="timeout")

    tick.send(sender=None)

    assert fetched(trainee, running, question)["failure_code"] == "timeout"
    opening.refresh_from_db()
    assert (opening.status, opening.failure_code) == (SimulationStatus.FAILED, "timeout")
    assert settle_overdue() == 0


def test_a_cancelled_call_leaves_a_failed_retryable_question(trainee: Caller, running: Simulation) -> None:
    posted = say(trainee, running, "When did it start?")
    ServiceCallRecord.objects.get(pk=posted["call"]["id"]).cancel()
    settle_overdue()

    shown = fetched(trainee, running, posted["message"])
    assert (shown["failure_code"], shown["retryable"]) == ("cancelled", True)
    assert trainee.post(retry_of(running, posted["message"])).status_code == 202


def test_a_reply_that_could_not_be_stored_is_not_asked_for_again(trainee: Caller, running: Simulation) -> None:
    posted = say(trainee, running, "When did it start?")
    drain()
    call = ServiceCallRecord.objects.filter(pk=posted["call"]["id"])
    call.update(domain_persist_state=PersistState.DEAD)
    Message.objects.filter(pk=posted["message"]["id"]).update(delivery_status=Delivery.PENDING)
    settle_overdue()

    shown = fetched(trainee, running, posted["message"])
    assert (shown["delivery_status"], shown["failure_code"], shown["retryable"]) == ("failed", "not_stored", False)
    assert "operator" in shown["failure_reason"]


def test_an_answer_without_a_message_is_not_a_reply(trainee: Caller, running: Simulation) -> None:
    empty = {"image_requested": False, "messages": [], "llm_conditions_check": []}
    with scripted(Fault(kind="json", data=empty, times=0)):
        question = say(trainee, running, "When did it start?")["message"]
        drain()

    assert fetched(trainee, running, question)["failure_code"] == "invalid_output"
    assert len(transcript(running)) == 3
