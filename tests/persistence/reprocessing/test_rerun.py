"""A call again with the model, and two calls compared."""

import pytest

from orchestration.errors import IdempotencyConflict
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.signals import ai_response_ready
from orchestration.testing import drain
from persistence.reprocessing.reprocess import ReprocessOutcome, reprocess
from persistence.reprocessing.rerun import MISSING, compare, json_diff, rerun, with_temperature
from tests.seedapp.models import Message
from tests.seedapp.orca.readme import GenerateTicketAnswer

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def answered(answer, call=None):
    if call is None:
        GenerateTicketAnswer.using(context={"ticket": "It is broken."}).enqueue_now()
    with scripted(Fault(kind="json", data={"answer": answer, "urgent": False})):
        drain()
    return ServiceCallRecord.objects.get(pk=call.pk) if call else ServiceCallRecord.objects.get()


def test_a_rerun_points_at_its_parent_and_both_are_compared():
    original = answered("one")
    new_call = answered("two", rerun(original, model="gpt-4o", parameters=with_temperature(0.1), persist=True))
    assert new_call.parent == original
    assert new_call.correlation_id == original.correlation_id
    found = compare(original, new_call)
    assert ("$.model", "gpt-4o-mini", "gpt-4o") in found.request
    assert ("$.parameters.temperature", MISSING, 0.1) in found.request
    assert found.output == [("$.answer", "one", "two")]
    assert found.left.objects == found.right.objects == ["seedapp.message created"]
    assert found.right.tokens["total_tokens"] > 0
    assert found.right.latency_ms is not None
    assert {m.text for m in Message.objects.all()} == {"one", "two"}
    original.refresh_from_db()
    assert original.result["structured_data"]["answer"] == "one"


def test_a_rerun_is_compared_and_not_persisted_unless_asked():
    original = answered("one")
    ready = []

    def hear(*, call_id, **_):
        ready.append(call_id)

    ai_response_ready.connect(hear)
    try:
        new_call = answered("two", rerun(original))
    finally:
        ai_response_ready.disconnect(hear)
    assert new_call.result_stays
    assert (new_call.status, new_call.domain_persist_state) == ("succeeded", PersistState.SKIPPED)
    assert [message.text for message in Message.objects.all()] == ["one"]
    assert ready == [], "nobody is told of an answer that is only looked at"
    assert compare(original, new_call).output == [("$.answer", "one", "two")]
    assert reprocess(new_call.pk).outcome == ReprocessOutcome.PERSISTED
    assert {message.text for message in Message.objects.all()} == {"one", "two"}


def test_calls_of_any_caller_can_keep_their_result():
    call = GenerateTicketAnswer.using(context={"ticket": "It is broken."}, persist=False).enqueue_now()
    with scripted(Fault(kind="json", data={"answer": "one", "urgent": False})):
        drain()
    record = ServiceCallRecord.objects.get(pk=call.id)
    assert record.domain_persist_state == PersistState.SKIPPED
    assert not Message.objects.exists()


def test_a_key_for_a_result_that_stays_is_another_request():
    def asked(**given):
        return GenerateTicketAnswer.using(context={"ticket": "x"}, idempotency_key="one", **given).enqueue_now()

    asked(persist=False)
    with pytest.raises(IdempotencyConflict):
        asked()


def test_the_prompt_can_be_given():
    original = answered("one")
    given = [{"role": "user", "content": "Say two."}]
    answered("two", rerun(original, messages=given))
    assert AIRequestAudit.objects.order_by("pk").last().messages == given


def test_the_context_can_be_changed():
    original = answered("one")
    new_call = rerun(original, context={"ticket": "Another."})
    assert new_call.context == {"ticket": "Another."}
    assert new_call.input == original.input


def test_a_diff_of_json_names_paths():
    left = {"a": [1, {"b": 2}], "c": True}
    assert json_diff(left, left) == []
    assert json_diff(left, {"a": [1, {"b": 3}, 4], "c": 1}) == [
        ("$.a[1].b", 2, 3),
        ("$.a[2]", MISSING, 4),
        ("$.c", True, 1),
    ]
