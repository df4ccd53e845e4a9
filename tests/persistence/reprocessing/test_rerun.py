"""A call again with the model, and two calls compared."""

import pytest

from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from persistence.reprocessing.rerun import MISSING, compare, json_diff, rerun
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
    new_call = answered("two", rerun(original, model="gpt-4o", temperature=0.1))
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
