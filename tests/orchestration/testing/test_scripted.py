"""The scripted provider: what each request gets, whatever client the settings name."""

import time

import pytest
from asgiref.sync import async_to_sync

from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.testing import assert_failed, assert_no_paid_requests, assert_persisted, drain, scripted_provider
from tests.engineapp.orca.services.triage import Triage
from tests.seedapp.models import Message
from tests.seedapp.orca.readme import GenerateTicketAnswer, TicketAnswerSchema

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ANSWER = {"answer": "We are on it.", "urgent": True}


@pytest.fixture
def provider():
    with scripted_provider(strict=True) as provider:
        yield provider


def ask(ticket="It burns.", **options):
    return GenerateTicketAnswer.using(context={"ticket": ticket}, **options).enqueue_now()


def texts():
    return list(Message.objects.order_by("pk").values_list("text", flat=True))


@pytest.mark.parametrize(
    "content", [ANSWER, '{"answer": "We are on it.", "urgent": true}', TicketAnswerSchema(**ANSWER), lambda _: ANSWER]
)
def test_an_answer_is_json_text_an_object_or_a_function(provider, content):
    provider.answer(content)
    call = ask()
    drain()
    (message,) = assert_persisted(call, Message)
    assert (message.text, message.meta) == ("We are on it.", {"urgent": True})


def test_a_function_sees_what_was_asked(provider):
    provider.answer(lambda request: {**ANSWER, "answer": request.messages[-1]["content"][-20:]}, times=None)
    ask("the red one")
    drain()
    assert "red one" in texts()[0]


def test_rules_are_chosen_by_service_prompt_and_model(provider):
    provider.answer({"urgency": 3, "reason": "smoke"}, service=Triage)
    provider.answer({**ANSWER, "answer": "by model"}, model="big")
    provider.answer({**ANSWER, "answer": "by prompt"}, contains="parcel")
    provider.answer({**ANSWER, "answer": "the rest"}, service=str(GenerateTicketAnswer.identity), times=None)
    ask("Where is my parcel?")
    drain()
    ask("Where is it?", model="big-1")
    drain()
    ask("Where is my parcel?")
    triage = Triage.using(context={"ticket": "smoke"}).enqueue_now()
    drain()
    assert texts() == ["by prompt", "by model", "the rest"]
    assert provider.unused == 0
    assert ServiceCallRecord.objects.get(pk=triage.id).result["structured_data"]["urgency"] == 3
    assert [len(provider.requests_of(each)) for each in (Triage, GenerateTicketAnswer)] == [1, 3]


def test_rules_are_used_up_in_their_order(provider):
    for text in ("first", "second"):
        provider.answer({**ANSWER, "answer": text})
    ask(ordering_key="a"), ask(ordering_key="a")
    drain()
    assert texts() == ["first", "second"]


def test_an_answer_that_does_not_fit_is_repaired(provider):
    provider.answer({"nonsense": True})
    provider.answer(ANSWER, contains="urgent")
    call = ask()
    drain()
    assert_persisted(call, Message)
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    ("kind", "code"), [("unauthorized", "provider_auth"), ("refusal", "refused"), ("quota", "insufficient_quota")]
)
def test_failures_are_those_of_real_providers(provider, kind, code):
    provider.fail(kind)
    call = ask()
    drain()
    assert assert_failed(call).error_code == code


def test_a_request_without_a_rule_fails_when_strict(provider):
    provider.answer(ANSWER, contains="nothing that anybody says")
    call = ask()
    drain()
    assert_failed(call, "unscripted")
    assert (len(provider.requests), provider.unused) == (1, 1)


def test_a_request_without_a_rule_is_answered_by_its_schema():
    with scripted_provider() as provider:
        call = ask()
        drain()
    assert_persisted(call, Message)
    assert len(provider.requests) == 1


def test_a_model_that_thinks_too_long_times_out(provider, monkeypatch):
    monkeypatch.setattr(GenerateTicketAnswer, "timeout", 0.05)
    provider.answer(ANSWER, after=60)
    call = ask(max_attempts=1)
    began = time.monotonic()
    drain()
    assert_failed(call, "timeout")
    assert time.monotonic() - began < 60


def test_a_client_with_a_paid_model_is_replaced(settings):
    settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "openai", "model": "gpt-4o"}}
    with scripted_provider():
        call = ask()
        drain()
    assert_persisted(call, Message)
    assert_no_paid_requests()


def test_calls_that_run_at_once_ask_it_too(provider):
    provider.answer(ANSWER)
    response = async_to_sync(GenerateTicketAnswer.using(context={"ticket": "It burns."}).execute)()
    assert response.structured_data == ANSWER
    assert [audit.provider for audit in AIRequestAudit.objects.all()] == ["simulator"]


@pytest.mark.parametrize("kind", ["ok", "json", "a bad day"])
def test_what_is_not_a_failure_is_refused(provider, kind):
    with pytest.raises(ValueError, match="server_error"):
        provider.fail(kind)
