"""What the assertions accept, and how they say what they do not."""

import pytest

from orchestration.models import ServiceCallRecord
from orchestration.testing import (
    assert_failed,
    assert_no_paid_requests,
    assert_persisted,
    drain,
    make_call,
    make_result,
    scripted_provider,
)
from tests.orchestration.factories import request_audit
from tests.persistence.results import note
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import GenerateLonely
from tests.seedapp.orca.readme import GenerateTicketAnswer

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ANSWER = {"answer": "We are on it.", "urgent": True}
TICKET = {"ticket": "It burns."}


def two_messages(handler, response):
    return [Message.objects.create(role="note", text=text) for text in "ab"]


def fail(handler, response):
    raise ValueError("what the handler says")


def test_the_objects_are_returned_for_a_call_a_record_or_an_id():
    call = GenerateTicketAnswer.using(context=TICKET).enqueue_now()
    drain()
    message = Message.objects.get()
    for which in (call, call.id, ServiceCallRecord.objects.get()):
        assert assert_persisted(which, Message) == [message]


def test_another_count_or_model_is_named():
    call = note(two_messages)
    drain()
    assert len(assert_persisted(call, Message, count=2)) == 2
    with pytest.raises(AssertionError, match=r"made 2 objects of seedapp\.Message, not 1"):
        assert_persisted(call, Message)
    with pytest.raises(AssertionError, match=r"made 0 objects of orchestration\.\w+, not 1; .* seedapp\.Message"):
        assert_persisted(call, ServiceCallRecord)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: make_call(GenerateTicketAnswer, context=TICKET), r"is queued; drain\(\)"),
        (lambda: make_result(GenerateTicketAnswer, ANSWER), r"its result waits; drain\(\)"),
        (lambda: make_result(GenerateLonely, {"text": "x"}, domain_persist_state="skipped"), "no handler or codec"),
        (lambda: make_call(GenerateTicketAnswer, context=TICKET, status="failed", error_code="refused", error="No."),
         r"is failed \(refused: No\.\)"),
    ],
)  # fmt: skip
def test_how_far_a_call_came_is_said(call, why):
    with pytest.raises(AssertionError, match=why):
        assert_persisted(call(), Message)


def test_what_a_handler_raised_is_said():
    call = note(fail)
    drain(scheduled=True)
    with pytest.raises(AssertionError, match=r"is dead after .* failures: ValueError"):
        assert_persisted(call, Message)


def test_a_failure_is_found_with_its_code():
    call = GenerateTicketAnswer.using(context=TICKET).enqueue_now()
    with scripted_provider() as provider:
        provider.fail("refusal")
        drain()
    code = assert_failed(call).error_code
    assert_failed(call, code)
    with pytest.raises(AssertionError, match=f"has not failed with timeout: it is failed .{code}"):
        assert_failed(call, "timeout")


def test_a_call_that_is_not_there_is_named():
    with pytest.raises(AssertionError, match="no call '42'"):
        assert_persisted("42", Message)


CLIENTS = {
    "MODE": "pod",
    "CLIENTS": {
        "default": {"provider": "openai", "model": "gpt-4o"},
        "here": {"provider": "openai", "model": "llama", "base_url": "http://127.0.0.1:11434/v1"},
    },
}


@pytest.mark.parametrize(
    ("audit", "paid"),
    [
        ({"provider": "simulator", "client_name": "default"}, False),
        ({"provider": "openai", "client_name": "here"}, False),
        ({"provider": "openai", "client_name": "default"}, True),
        ({"provider": "openai", "client_name": "gone"}, True),
    ],
)
def test_only_models_elsewhere_are_paid_for(settings, audit, paid):
    settings.ORCA_CONFIG = CLIENTS
    request_audit(make_call(GenerateTicketAnswer, context=TICKET), **audit).save()
    if paid:
        with pytest.raises(AssertionError, match=f"1 requests went .* client '{audit['client_name']}'"):
            assert_no_paid_requests()
    else:
        assert_no_paid_requests()


def test_a_request_that_was_held_back_is_free(settings, monkeypatch):
    settings.ORCA_CONFIG = CLIENTS
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-key")
    call = GenerateTicketAnswer.using(context=TICKET).enqueue_now()
    drain()
    assert_failed(call, "paid_requests_forbidden")
    assert_no_paid_requests()
