"""`execute()` and `call()`: a caller who waits gets the same rows as one who does not."""

import pytest
from asgiref.sync import async_to_sync

from orchestration.engine.queue.enqueue import CallSpec, fingerprint
from orchestration.errors import CallError, IdempotencyConflict, InvalidCall, MissingContext, OutputRefused
from orchestration.models import ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.retry import RetryPolicy
from persistence.models import PersistedChunk
from tests.engineapp.orca.services.triage import Computes, FreeText, Raises, Summarized, Triage
from tests.orchestration.factories import running
from tests.seedapp.models import Message
from tests.seedapp.orca.readme import GenerateTicketAnswer

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
TICKET = {"ticket": "it burns"}


def execute(service, **payload):
    return async_to_sync(service.execute)(**payload)


def test_execute_returns_the_response_of_an_audited_call():
    with scripted(Fault(kind="json", data={"urgency": 1, "reason": "x"})):
        response = execute(Triage.using(context=TICKET))
    record = ServiceCallRecord.objects.get()
    assert response.structured_data == {"urgency": 1, "reason": "x"}
    assert (response.call_id, record.status, record.attempts) == (record.pk, "succeeded", 1)
    assert record.request_audits.get().response_audit.total_tokens == record.total_tokens > 0


def test_the_domain_rows_are_there_when_execute_returns():
    with scripted(Fault(kind="json", data={"answer": "Done.", "urgent": False})):
        response = execute(GenerateTicketAnswer.using(context=TICKET))
    assert PersistedChunk.objects.get(call_id=response.call_id).domain_object == Message.objects.get(text="Done.")
    assert ServiceCallRecord.objects.get().domain_persisted


def test_a_failure_is_raised_with_its_own_type_and_the_calls_id():
    with scripted(Fault(kind="refusal")), pytest.raises(OutputRefused) as raised:
        execute(FreeText.using(context=TICKET))
    record = ServiceCallRecord.objects.get()
    assert raised.value.call_id == record.pk
    assert (record.status, record.error_code) == ("failed", "refused")


def test_a_passing_failure_is_retried_while_the_caller_waits(monkeypatch):
    monkeypatch.setattr(FreeText, "retry", RetryPolicy(initial=0.1, cap=0.1))
    with scripted(Fault(kind="server_error", times=2)) as simulation:
        execute(FreeText.using(context=TICKET))
    record = ServiceCallRecord.objects.get()
    assert (record.status, record.attempts, record.failures, len(simulation.request_log.entries)) == (
        "succeeded",
        3,
        2,
        3,
    )


def test_missing_context_is_refused_before_there_is_a_row():
    with pytest.raises(MissingContext):
        execute(Triage.using())
    assert not ServiceCallRecord.objects.exists()


def test_an_override_returns_its_own_value_and_leaves_a_record():
    assert execute(Computes.using(), a=1, b=2) == {"sum": 3}
    assert ServiceCallRecord.objects.get().response().structured_data == {"sum": 3}


def test_call_never_raises_and_says_how_it_went():
    with scripted(Fault(kind="refusal")):
        failed = async_to_sync(FreeText.using(context=TICKET).call)()
    assert (failed.status, failed.error_code) == ("failed", "refused")
    assert failed.id == ServiceCallRecord.objects.get().pk
    with scripted():
        assert async_to_sync(FreeText.using(context=TICKET).call)().status == "succeeded"
    refused = async_to_sync(Triage.using().call)()
    assert (refused.id, refused.status, refused.error_code) == (None, "failed", "missing_context")
    assert async_to_sync(Raises.using().call)().error_code == "internal_error"


def test_enqueue_returns_what_finds_the_call_again():
    call = async_to_sync(Triage.using(context=TICKET).enqueue)()
    record = ServiceCallRecord.objects.get()
    assert (call.id, call.status, call.task_id) == (record.pk, "queued", record.pk)


def test_a_repeated_key_gives_the_stored_answer():
    service = Triage.using(context=TICKET, idempotency_key="k")
    with scripted() as simulation:
        first, second = execute(service), execute(service)
    assert first.structured_data == second.structured_data
    assert (ServiceCallRecord.objects.count(), len(simulation.request_log.entries)) == (1, 1)


def test_a_repeated_key_of_a_failed_call_fails_the_same_way():
    service = FreeText.using(context=TICKET, idempotency_key="k")
    with scripted(Fault(kind="refusal")):
        for _ in range(2):
            with pytest.raises(CallError) as raised:
                execute(service)
            assert raised.value.code == "refused"


def test_a_repeated_key_of_a_running_call_is_a_conflict():
    running(idempotency_key="k", context=TICKET, request_fingerprint=_fingerprint())
    with pytest.raises(IdempotencyConflict, match="still running"):
        execute(Triage.using(context=TICKET, idempotency_key="k"))


def _fingerprint():
    return fingerprint(CallSpec(service=Triage, context=TICKET))


@pytest.mark.parametrize("option", [{"ordering_key": "k"}])
def test_a_call_that_must_wait_its_turn_cannot_be_executed(option):
    with pytest.raises(InvalidCall, match="enqueue"):
        execute(Triage.using(context=TICKET, **option))


def test_the_summary_of_a_codec_reaches_the_caller():
    with scripted(Fault(kind="json", data={"urgency": 1, "reason": "x"})):
        response = execute(Summarized.using(context=TICKET))
    assert response.summary == {"noted": 1}
