"""People who decide on a tool after its call has asked for approval, and before the call is put off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from orchestration.clock import database_now
from orchestration.components import Approval
from orchestration.engine.execution import group_commit
from orchestration.engine.execution.commands import Settle
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import ServiceCallRecord
from orchestration.testing import drain, scripted_provider
from persistence.approval.deadlines import settle_overdue
from persistence.approval.decisions import DecisionOutcome, approve, reject
from persistence.models.approval import Hold
from tests.engineapp.orca.services import tools
from tests.engineapp.orca.services.tools import Finds, ran

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(tools.look_up, "requires_approval", True)
    ran.clear()
    with scripted_provider() as provider:
        yield provider
    ran.clear()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], ServiceCallRecord]:
    """The call after a worker ran it, in which this is done before it is first put off."""

    def run_with(act: Callable[[], object]) -> ServiceCallRecord:
        commit, acts = group_commit.commit, [act]

        def after_the_act(commands: Any, **options: Any) -> Any:
            if acts and any(isinstance(each, Settle) and each.waits_for for each in commands):
                acts.pop()()
            return commit(commands, **options)

        monkeypatch.setattr(group_commit, "commit", after_the_act)
        call = submit(CallSpec(service=Finds))
        drain()
        assert not acts, "it was put off"
        return ServiceCallRecord.objects.get(pk=call.pk)

    return run_with


def expire() -> None:
    Hold.objects.update(at_deadline="reject", deadline=database_now() - timedelta(seconds=1))
    assert settle_overdue(seconds=60) == 1


@pytest.mark.parametrize(("decision", "runs"), [("approved", 1), ("refused", 0), ("expired", 0)])
def test_the_call_continues_at_once(model: Any, run: Any, anna: Any, decision: str, runs: int) -> None:
    model.call_tools(("look_up", {"number": 7}))
    model.answer("done")

    def decide() -> None:
        hold = Hold.objects.get()
        assert ServiceCallRecord.objects.get(pk=hold.call_id).status == "running"
        if decision == "approved":
            approve(hold.pk, by=anna, shown=hold.digest)
        elif decision == "refused":
            reject(hold.pk, by=anna, note="no")
        else:
            expire()

    call = run(decide)
    assert (call.status, call.failures, len(ran)) == ("succeeded", 0, runs)


def test_of_two_tools_the_decided_one_runs_at_once(model: Any, run: Any, anna: Any) -> None:
    model.call_tools(("look_up", {"number": 7}), ("look_up", {"number": 8}))
    model.answer("done")
    call = run(lambda: approve((hold := Hold.objects.order_by("pk")[0]).pk, by=anna, shown=hold.digest))
    assert (call.status, call.error_code, len(ran)) == ("queued", "waits_for_approval", 1)
    assert call.due_at > database_now() + timedelta(minutes=50), "it sleeps until the other one is decided"
    hold = Hold.objects.open().get()
    approve(hold.pk, by=anna, shown=hold.digest)
    drain()
    call.refresh_from_db()
    assert (call.status, sorted(number for number, _ in ran)) == ("succeeded", [7, 8])


def test_the_first_of_two_persons_leaves_it_asleep(
    model: Any, run: Any, anna: Any, berta: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Finds, "approval", Approval(persons=2))
    model.call_tools(("look_up", {"number": 7}))
    model.answer("done")

    def vote() -> None:
        hold = Hold.objects.get()
        assert approve(hold.pk, by=anna, shown=hold.digest).outcome is DecisionOutcome.WAITING

    call = run(vote)
    assert (call.status, ran) == ("queued", [])
    assert call.due_at > database_now() + timedelta(minutes=50)
    hold = Hold.objects.get()
    approve(hold.pk, by=berta, shown=hold.digest)
    drain()
    call.refresh_from_db()
    assert call.status == "succeeded"
