"""Tools that wait for a person before they run."""

import pytest
from asgiref.sync import async_to_sync

from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.queue.waiting import waits_of
from orchestration.errors import CallError
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.tool_runs import ToolRun
from orchestration.testing import drain, scripted_provider
from persistence.approval.deadlines import settle_overdue, wake_for_deadlines
from persistence.approval.decisions import DecisionOutcome, approve, preview_edit, reject
from persistence.errors import InvalidDecision
from persistence.models.approval import Hold, HoldState, Trigger
from persistence.tasks import settle_deadlines
from tests.engineapp.orca.services import tools
from tests.engineapp.orca.services.tools import Finds, ran

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def model():
    ran.clear()
    with scripted_provider() as provider:
        yield provider
    ran.clear()


@pytest.fixture
def waiting(model, monkeypatch):
    """A call whose model asked for a tool that needs approval."""
    monkeypatch.setattr(tools.look_up, "requires_approval", True)
    model.call_tools(("look_up", {"number": 7}))
    model.answer("On shelf 1.")
    call = submit(CallSpec(service=Finds))
    drain()
    return ServiceCallRecord.objects.get(pk=call.pk)


def told(model):
    return [message["content"] for message in model.requests[-1].messages if message["role"] == "tool"]


def test_a_tool_waits_and_runs_once_it_is_approved(waiting, model, anna):
    assert (waiting.status, waiting.error_code, ran) == ("queued", "waits_for_approval", [])
    assert waits_of(waiting)[0].why == "A tool that the model asked for waits for approval"
    hold = Hold.objects.get()
    assert (hold.tool, hold.answer, hold.trigger) == ("look_up", {"number": 7}, Trigger.TOOL)
    drain()
    assert Hold.objects.count() == 1
    assert approve(hold.pk, by=anna, shown=hold.digest).outcome is DecisionOutcome.PERSISTED
    drain()
    waiting.refresh_from_db()
    assert (waiting.status, waiting.failures, waiting.error) == ("succeeded", 0, None)
    assert len(ran) == 1
    assert ToolRun.objects.get().status == "done"
    assert AIRequestAudit.objects.count() == 2, "no request was paid twice"


def test_the_model_is_told_why_a_tool_was_refused(waiting, model, anna):
    hold = Hold.objects.get()
    reject(hold.pk, by=anna, note="not this patient")
    drain()
    waiting.refresh_from_db()
    assert (waiting.status, ran) == ("succeeded", [])
    assert told(model) == ["A person refused that this tool is run. not this patient"]
    assert ToolRun.objects.get().error_code == "tool_rejected"


def test_what_needs_no_approval_runs_meanwhile_and_once(model, monkeypatch, anna):
    monkeypatch.setattr(tools.look_up, "requires_approval", True)
    model.call_tools(("look_up", {"number": 7}), ("look_up", {"number": "seven"}))
    model.answer("done")
    submit(CallSpec(service=Finds))
    drain()
    assert sorted(ToolRun.objects.values_list("status", flat=True)) == ["failed", "running"]
    hold = Hold.objects.get()
    approve(hold.pk, by=anna, shown=hold.digest)
    drain()
    assert sorted(ToolRun.objects.values_list("status", "attempts")) == [("done", 2), ("failed", 1)]


def test_a_call_that_ended_meanwhile_is_superseded(waiting, anna):
    waiting.cancel()
    hold = Hold.objects.get()
    assert approve(hold.pk, by=anna, shown=hold.digest).outcome is DecisionOutcome.SUPERSEDED
    hold.refresh_from_db()
    assert hold.state == HoldState.SUPERSEDED


@pytest.mark.parametrize("ends", ["cancelled", "deleted"])
def test_of_a_call_that_ended_nothing_waits_for_a_person(waiting, ends, monkeypatch):
    assert settle_overdue(seconds=60) == 0
    assert Hold.objects.get().is_open
    if ends == "cancelled":
        waiting.cancel()
    else:
        waiting.delete()
    sent = []
    monkeypatch.setattr("persistence.approval.deadlines.send_task", lambda task, **_: sent.append(task))
    wake_for_deadlines()
    assert sent == ["persistence.tasks.settle_deadlines"]
    assert settle_deadlines() == 1
    assert Hold.objects.get().state == HoldState.SUPERSEDED


@pytest.mark.parametrize("closes", ["the sweep", "a click"])
def test_a_call_that_is_retried_is_asked_about_again(waiting, anna, closes):
    first = Hold.objects.get()
    waiting.cancel()
    if closes == "the sweep":
        settle_overdue(seconds=60)
    else:
        approve(first.pk, by=anna, shown=first.digest)
    waiting.refresh_from_db()
    waiting.retry()
    drain()
    again = Hold.objects.open().get()
    assert (again.tool_key, again.answer) == (first.tool_key, first.answer)
    assert ran == []
    approve(again.pk, by=anna, shown=again.digest)
    drain()
    waiting.refresh_from_db()
    assert (waiting.status, len(ran)) == ("succeeded", 1)


def test_the_arguments_of_a_tool_are_not_edited(waiting):
    with pytest.raises(InvalidDecision, match="approved or rejected as they are"):
        preview_edit(Hold.objects.get().pk, {"number": 8})


def test_a_caller_who_waits_is_told_that_nobody_can_be_asked(model, monkeypatch):
    monkeypatch.setattr(tools.look_up, "requires_approval", True)
    model.call_tools(("look_up", {"number": 7}))
    with pytest.raises(CallError, match="enqueue it instead") as raised:
        async_to_sync(Finds().execute)()
    assert raised.value.code == "approval_needed"
    assert not Hold.objects.exists()
