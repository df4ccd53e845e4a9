"""Tools: the model asks, the engine runs each once and tells the model, until there is an answer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orchestration.components import ToolLimits
from orchestration.engine.execution.conversation import full_messages
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.worker.rescuer import rescue
from orchestration.fault_injection import armed
from orchestration.models import AIRequestAudit, EngineCounter, ModelPrice, ServiceCallRecord
from orchestration.models.tool_runs import ToolRun
from orchestration.testing import drain, scripted_provider
from orchestration.testing.scripted import ScriptedProvider
from persistence.exports.resources import request_dialogue
from persistence.maintenance.retention import empty, prune
from persistence.reprocessing.rerun import sent_messages
from tests.engineapp.orca.services import tools
from tests.engineapp.orca.services.tools import AsksTwice, Finds, FindsInShape, ran
from tests.orchestration.engine.execution.asking import check_pages

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ANSWER = {"urgency": 1, "reason": "found"}


@pytest.fixture(autouse=True)
def nothing_ran() -> Iterator[None]:
    ran.clear()
    yield
    ran.clear()


@pytest.fixture
def model() -> Iterator[ScriptedProvider]:
    with scripted_provider() as provider:
        yield provider


def run(service: Any = Finds, **fields: Any) -> ServiceCallRecord:
    call = submit(CallSpec(**{"service": service, **fields}))
    drain()
    return fresh(call)


def fresh(call: ServiceCallRecord) -> ServiceCallRecord:
    return ServiceCallRecord.objects.get(pk=call.pk)


def runs(call: ServiceCallRecord) -> list[tuple[str, str, int]]:
    return [(each.tool, each.status, each.attempts) for each in ToolRun.objects.filter(call=call).order_by("pk")]


def told(model: ScriptedProvider) -> list[str]:
    """What the model was told of its tools in the last request."""
    return [message["content"] for message in model.requests[-1].messages if message["role"] == "tool"]


def limited(monkeypatch: pytest.MonkeyPatch, **limits: Any) -> None:
    monkeypatch.setattr(Finds, "tool_limits", ToolLimits(**limits))


# --- the turns ------------------------------------------------------------------------------


def test_a_tool_is_run_and_the_model_told(model: ScriptedProvider) -> None:
    model.call_tools(("look_up", {"number": 7}), says="Let me see.")
    model.answer("On shelf 1.")
    call = run()
    assert (call.status, call.response().output, call.attempts, call.failures) == ("succeeded", "On shelf 1.", 1, 0)
    first, second = model.requests
    assert [tool["name"] for tool in first.tools] == ["look_up", "note", "count", "wait", "block", "behave"]
    assert second.tools == first.tools
    assert [(each["role"], each["content"]) for each in second.messages] == [
        ("user", "Find it."),
        ("assistant", "Let me see."),
        ("tool", '{"number": 7, "shelf": 1}'),
    ]
    assert ran == [(7, 1)]
    (row,) = ToolRun.objects.all()
    assert (row.status, row.arguments, row.result) == ("done", {"number": 7}, {"number": 7, "shelf": 1})
    assert row.seconds is not None


def test_each_turn_is_audited_and_counted(model: ScriptedProvider) -> None:
    model.call_tools(("look_up", {"number": "$results"}), times=None, results_below=3)
    model.answer("There.")
    call = run()
    audits = list(call.request_audits.select_related("response_audit").order_by("repair"))
    assert [(each.attempt, each.repair, each.repair_of_id) for each in audits] == [(1, n, None) for n in range(4)]
    assert [each.continues_id for each in audits] == [None, *(each.pk for each in audits[:3])]
    assert [len(each.messages) for each in audits] == [1, 0, 0, 0]
    assert [bool(each.tools) for each in audits] == [True, False, False, False]
    assert call.total_tokens == sum(each.response_audit.total_tokens for each in audits)
    assert call.response().usage.total_tokens == call.total_tokens
    assert full_messages(audits[-1])[-1]["content"] == '{"number": 2, "shelf": 2}'
    assert [message["role"] for message in full_messages(audits[-1])] == ["user", *("assistant", "tool") * 3]


def test_tools_of_one_answer_run_side_by_side(model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their results come in the order in which they were asked for."""
    limited(monkeypatch, parallel=2)
    model.call_tools(*(("wait", {"seconds": 0.05}),) * 3, ("look_up", {"number": 1}))
    call = run()
    assert runs(call) == [("wait", "done", 1)] * 3 + [("look_up", "done", 1)]
    assert told(model) == ["waited"] * 3 + ['{"number": 1, "shelf": 1}']


def test_an_answer_by_schema_is_asked_for_after_the_tools(model: ScriptedProvider) -> None:
    """And repaired, in the middle of the conversation; the repair may ask for tools again."""
    model.call_tools(("look_up", {"number": 1}))
    model.answer({"urgency": "high"})
    model.call_tools(("look_up", {"number": 2}))
    model.answer(ANSWER)
    call = run(FindsInShape)
    assert (call.status, call.response().structured_data) == ("succeeded", ANSWER)
    assert all(request.schema == model.requests[0].schema for request in model.requests)
    assert model.requests[0].tools[1] == {"type": "web_search"}
    roles = [message["role"] for message in model.requests[-1].messages]
    assert roles == ["user", "assistant", "tool", "assistant", "user", "assistant", "tool"]
    last = call.request_audits.order_by("repair").last()
    assert last is not None
    assert [each["content"] for each in full_messages(last)] == [
        each["content"] for each in model.requests[-1].messages
    ]
    assert last.response_audit.structured_data == ANSWER


def test_a_plain_function_is_a_tool(model: ScriptedProvider) -> None:
    model.call_tools(("note", {"text": "a"}), ("count", {"by": 3}))
    call = run()
    assert told(model) == ["noted a", "3"]
    assert EngineCounter.objects.get(name="counted").value == 3
    assert runs(call) == [("note", "done", 1), ("count", "done", 1)]


def test_a_caller_who_waits_has_tools_too(model: ScriptedProvider) -> None:
    model.call_tools(("look_up", {"number": 7}), ("count", {"by": 1}))
    model.answer("There.")
    assert async_to_sync(Finds().execute)().output == "There."
    assert ToolRun.objects.filter(status="done").count() == 2


# --- what goes wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (("look_up", {"number": "seven"}), "tool_arguments", "number: Input should be a valid integer"),
        (("look_up", {"number": 7, "color": "red"}), "tool_arguments", "color: Extra inputs are not permitted"),
        (("look_up", {}), "tool_arguments", "number: Field required"),
        (("look_up", [7]), "tool_arguments", "valid dictionary"),
        (("lok_up", {"number": 7}), "unknown_tool", "There is no tool lok_up; there are: look_up, note, count"),
        (("behave", {"how": "refuse"}), "tool_failed", "Only on Mondays."),
        (("behave", {"how": "break"}), "tool_failed", "The tool failed (KeyError)."),
        (("behave", {"how": "object"}), "tool_result", "result is a object, which has no form in JSON"),
        (("behave", {"how": "nul"}), "tool_result", "NUL character"),
        (("behave", {"how": "long"}), "tool_result", "300,000 bytes; the limit (MAX_TOOL_RESULT_BYTES) is 200,000"),
        (("wait", {"seconds": 30}), "tool_timeout", "did not end within 0.2 s"),
    ],
)
def test_the_model_is_told_what_went_wrong(model: ScriptedProvider, asked: Any, code: str, said: str) -> None:
    model.call_tools(asked)
    model.answer("I see.")
    call = run()
    assert call.status == "succeeded"
    assert said in told(model)[0]
    assert "secret" not in told(model)[0]
    row = ToolRun.objects.get()
    assert (row.status, row.error_code, row.result) == ("failed", code, None)
    assert EngineCounter.objects.get(name="tool_errors").value == 1


@pytest.mark.parametrize(("how", "content"), [("model", '{"shelf": 3}'), ("none", "null")])
def test_whatever_has_a_form_in_json_is_a_result(model: ScriptedProvider, how: str, content: str) -> None:
    model.call_tools(("behave", {"how": how}))
    run()
    assert told(model) == [content]


def test_a_tool_that_ends_its_process_only_fails(model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.note, "function", lambda **_: exit(3))
    model.call_tools(("note", {"text": "a"}))
    run()
    assert told(model) == ["The tool failed (ToolEnded)."]


def test_arguments_that_are_no_json_are_told(model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "orchestration.providers.simulator.model._called", lambda *_: {"name": "note", "arguments": "{"}
    )
    model.call_tools(("note", {}))
    run()
    assert told(model) == ["The arguments are not JSON."]
    assert ToolRun.objects.get().arguments is None


def test_an_endless_loop_ends_at_the_limit(model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry continues, once there is more of it."""
    limited(monkeypatch, turns=3)
    model.call_tools(("look_up", {"number": "$results"}), times=None, results_below=5)
    call = run()
    assert (call.status, call.error_code, call.retryable) == ("failed", "tool_limit", False)
    assert "more than 3 turns (ToolLimits.turns)" in (call.error or "")
    assert [number for number, _ in ran] == [0, 1, 2]
    limited(monkeypatch, turns=6)
    call.retry()
    drain()
    assert fresh(call).status == "succeeded"
    assert [number for number, _ in ran] == [0, 1, 2, 3, 4]


def test_too_many_errors_end_the_call(model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, errors=2)
    model.call_tools(("behave", {"how": "refuse"}), times=None)
    call = run()
    assert (call.error_code, len(model.requests)) == ("tool_limit", 3)
    assert "More than 2 runs of tools failed" in (call.error or "")


def test_a_cost_ends_the_call(model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, cost=Decimal("0.0001"))
    prices = dict.fromkeys(("input_per_million", "cached_input_per_million", "output_per_million"), 10)
    ModelPrice.objects.filter(model="gpt-4o-mini").delete()
    ModelPrice.objects.create(provider="simulator", model="gpt-4o-mini", valid_from="2024-01-01T00:00Z", **prices)
    model.call_tools(("look_up", {"number": "$results"}), times=None)
    call = run()
    assert (call.error_code, call.status) == ("tool_limit", "failed")
    assert 1 < len(model.requests) < 6
    assert "the limit is 0.0001 (ToolLimits.cost)" in (call.error or "")


def test_without_tools_an_answer_of_calls_alone_is_an_error(model: ScriptedProvider) -> None:
    model.call_tools(("look_up", {"number": 1}), times=None)
    call = run("services.engineapp.default.FreeText", context={"ticket": "it burns"})
    assert (call.status, call.error_code) == ("failed", "unexpected_tool_call")
    assert not ToolRun.objects.exists()


def test_what_the_provider_ran_itself_is_not_our_tool(model: ScriptedProvider) -> None:
    model.call_tools(("web_search_call", {}), says='{"urgency": 1, "reason": "found"}')
    call = run(FindsInShape)
    assert (call.status, len(model.requests)) == ("succeeded", 1)


def test_a_service_with_tools_asks_once(model: ScriptedProvider) -> None:
    model.call_tools(("look_up", {"number": 1}))
    call = run(AsksTwice)
    assert (call.status, call.error_code) == ("failed", "asked_twice")


# --- continuing ----------------------------------------------------------------------------


class Died(BaseException):
    """Like a kill: no code of ours may catch it."""


def die() -> None:
    raise Died


def after_a_death(call: ServiceCallRecord) -> ServiceCallRecord:
    """What another worker makes of it."""
    ServiceCallRecord.objects.running().update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    rescue()
    drain()
    return fresh(call)


@pytest.mark.parametrize(
    ("point", "nth", "twice"),
    [("in_tool", 3, 0), ("after_tool", 4, 1), ("before_send", 3, 0), ("after_store", 2, 0), ("after_answer", 2, 0)],
)
def test_a_death_anywhere_repeats_no_finished_tool(model: ScriptedProvider, point: str, nth: int, twice: int) -> None:
    """It strikes in the second turn. What ran to its end, and was stored, does not run again."""
    model.call_tools(("look_up", {"number": "$results"}), ("count", {"by": 1}), times=None, results_below=4)
    model.answer("There.", times=None)
    call = submit(CallSpec(service=Finds))

    reached = itertools.count(1)

    def strike() -> None:
        if next(reached) == nth:
            raise Died

    with armed(point, strike):
        try:
            drain()
        except Died:
            pass
    assert fresh(call).status == "running"
    ended = after_a_death(call)
    assert (ended.status, ended.deaths, ended.failures) == ("succeeded", 1, 0)
    assert EngineCounter.objects.get(name="counted").value == 2
    assert [(row.tool, row.status) for row in ToolRun.objects.order_by("pk")] == [
        ("look_up", "done"),
        ("count", "done"),
    ] * 2
    assert [number for number, _ in ran] == [0, 2] + [2] * twice
    assert told(model) == ['{"number": 0, "shelf": 0}', "1", '{"number": 2, "shelf": 2}', "2"]


def test_an_error_of_the_provider_continues_where_it_was(model: ScriptedProvider) -> None:
    model.call_tools(("look_up", {"number": 1}))
    model.fail("server_error")
    model.answer("There.")
    call = run()
    assert call.status == "queued"
    drain(scheduled=True)
    assert (fresh(call).status, ran) == ("succeeded", [(1, 1)])
    audits = list(call.request_audits.order_by("pk"))
    assert [(each.attempt, each.repair, each.outcome) for each in audits] == [
        (1, 0, "answered"), (1, 1, "failed"), (2, 0, "answered"),
    ]  # fmt: skip
    assert audits[2].continues_id == audits[1].continues_id == audits[0].pk
    assert [message["role"] for message in model.requests[-1].messages] == ["user", "assistant", "tool"]
    assert fresh(call).response().usage.total_tokens == fresh(call).total_tokens


def test_a_caller_who_waits_continues_where_it_was(model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.retry.RetryPolicy.ceiling", lambda *_: 0.0)
    model.call_tools(("look_up", {"number": 1}))
    model.fail("server_error")
    model.answer("There.")
    assert async_to_sync(Finds().execute)().output == "There."
    assert ran == [(1, 1)]


@pytest.mark.parametrize("name", ["look_up", "count"])
def test_a_tool_that_meets_a_lost_database_runs_again(
    model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The model is not told, as of a failure of the tool: the next attempt of the call begins it again."""
    tool = {"look_up": tools.look_up, "count": tools.count}[name]
    usual, left = tool.function, [OperationalError("the connection is lost")]

    def lost(**given: Any) -> Any:
        if left:
            raise left.pop()
        return usual(**given)

    monkeypatch.setattr(tool, "function", lost)
    model.call_tools((name, {"by": 5} if name == "count" else {"number": 1}))
    model.answer("There.")
    call = run()
    drain(scheduled=True)
    call.refresh_from_db()
    assert (call.status, call.attempts, runs(call)) == ("succeeded", 2, [(name, "done", 2)])
    assert len(model.requests) == 2, "the answer that asked is stored, and not paid for again"


def test_a_prompt_that_meets_a_lost_database_is_tried_again(
    model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, usual = [OperationalError("the connection is lost")], tools.ToolsPrompt.render_message

    async def lost(section: tools.ToolsPrompt, **context: Any) -> str:
        if left:
            raise left.pop()
        return await usual(section, **context)

    monkeypatch.setattr(tools.ToolsPrompt, "render_message", lost)
    model.answer("There.")
    call = run()
    drain(scheduled=True)
    call.refresh_from_db()
    assert (call.status, call.attempts, len(model.requests)) == ("succeeded", 1, 1)


def test_a_retry_runs_tools_that_a_cancelled_call_left(model: ScriptedProvider) -> None:
    model.call_tools(("look_up", {"number": 1}))
    model.answer("There.", times=None)
    call = submit(CallSpec(service=Finds))
    with armed("in_tool", die):
        try:
            drain()
        except Died:
            pass
    fresh(call).cancel()
    assert after_a_death(call).status == "cancelled"
    assert runs(call) == [("look_up", "unknown", 1)]
    fresh(call).retry()
    drain()
    assert (fresh(call).status, runs(call), ran) == ("succeeded", [("look_up", "done", 2)], [(1, 2)])


@pytest.mark.parametrize("name", ["count", "note"])
def test_a_former_attempt_of_a_tool_stores_nothing(
    model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Its worker was taken for dead, and another one began the tool again; what an atomic one did is rolled back."""
    tool = {"count": tools.count, "note": tools.note}[name]
    usual = tool.function

    def overtaken(**given: Any) -> Any:
        ToolRun.objects.begin_again(ToolRun.objects.values_list("pk", flat=True))
        ServiceCallRecord.objects.update(lease_token=F("lease_token") + 1)
        return usual(**given)

    monkeypatch.setattr(tool, "function", overtaken)
    model.call_tools((name, {"by": 5} if name == "count" else {"text": "a"}))
    call = submit(CallSpec(service=Finds))
    drain()
    assert not EngineCounter.objects.filter(name="counted").exists()
    assert [status for _, status, _ in runs(call)] == ["running"]
    assert fresh(call).status == "running"


def test_what_was_purged_cannot_continue(model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, turns=2)
    model.call_tools(("look_up", {"number": "$results"}), times=None)
    call = run()
    empty("requests", list(AIRequestAudit.objects.values_list("pk", flat=True)))
    call.retry()
    drain()
    assert fresh(call).error_code == "content_purged"


def test_whatever_shows_a_call_shows_its_tools(model: ScriptedProvider, root: Client) -> None:
    model.call_tools(("look_up", {"number": 77}), ("behave", {"how": "refuse"}))
    model.answer("There.")
    call = run()
    check_pages(call, root)
    page = root.get(reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))).content.decode()
    assert "Tool look_up" in page
    assert "Only on Mondays." in page
    assert "Attempt 1, turn 2" in page
    (attempt,) = root.get(f"/api/v1/service-calls/{call.pk}/attempts").json()
    found, refused = attempt["tool_runs"]
    assert (found["tool"], found["arguments"], found["result"]["number"]) == ("look_up", {"number": 77}, 77)
    assert (refused["status"], refused["error_code"], refused["error"]) == ("failed", "tool_failed", "Only on Mondays.")
    (turn,) = attempt["repairs"]
    assert (turn["continues"], turn["messages"], turn["tool_runs"]) == (attempt["id"], [], [])
    events = [each["event"] for each in root.get(f"/api/v1/service-calls/{call.pk}/timeline").json()]
    assert [each for each in events if each.startswith("tool")] == ["tool done", "tool failed"]
    last = call.request_audits.get(repair=1)
    dialogue = request_dialogue(last)
    assert dialogue is not None
    assert [each["role"] for each in dialogue["messages"]] == ["user", "assistant", "tool", "tool", "assistant"]
    assert sent_messages(call) == [{"role": "user", "content": "Find it."}]


def test_contents_of_tools_are_purged_with_their_age(model: ScriptedProvider) -> None:
    model.call_tools(("look_up", {"number": 7}), ("behave", {"how": "refuse"}))
    run()
    done = prune(days={"tools": 30}, dry_run=False, now=timezone.now() + timedelta(days=31))
    assert done.rows == {"tools": 2}
    assert set(ToolRun.objects.values_list("arguments", "result", "error")) == {(None, None, "")}


@pytest.mark.long
def test_a_hundred_turns_take_linear_space(model: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a long conversation: what is stored is at most twice its text."""
    limited(monkeypatch, turns=100)
    monkeypatch.setitem(tools.ACTIONS, "none", lambda: "result " * 500)
    model.call_tools(("behave", {"how": "none"}), times=None, results_below=100)
    call = run(context={"wanted": "word " * 2000})
    assert call.status == "succeeded"
    audits = list(call.request_audits.select_related("response_audit"))
    assert len(audits) == 101
    spoken = sum(len(message["content"]) for message in model.requests[-1].messages)
    stored = sum(
        len(repr((a.messages, a.tools, a.prompt_meta, a.response_audit.raw, a.response_audit.outputs))) for a in audits
    )
    stored += sum(len(repr((row.arguments, row.result))) for row in ToolRun.objects.all())
    assert stored < 2 * spoken
