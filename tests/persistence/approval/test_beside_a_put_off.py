"""A person decides on a tool while a worker puts its call off, each on a connection of its own: whichever has the call
first, the other one waits for it, and the call continues."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections, transaction

from orchestration.clock import database_now
from orchestration.engine.execution import group_commit
from orchestration.engine.execution.commands import Settle
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import ServiceCallRecord
from orchestration.testing import drain
from persistence.approval.decisions import DecisionOutcome, approve, reject
from persistence.models.approval import Hold
from tests.engineapp.orca.services.tools import Finds, ran
from tests.persistence.approval.test_decided_while_running import model

__all__ = ["model"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres_only, pytest.mark.slow]
AT_MOST = 30.0
"""Seconds that one of them waits for the other, before the test gives up."""
DECISIONS = [
    pytest.param(lambda hold, by: approve(hold.pk, by=by, shown=hold.digest), DecisionOutcome.PERSISTED, 1, id="yes"),
    pytest.param(lambda hold, by: reject(hold.pk, by=by, note="no"), DecisionOutcome.REJECTED, 0, id="no"),
]


def until_somebody_waits() -> None:
    """For a lock that this connection has."""
    deadline = time.monotonic() + AT_MOST
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
            if cursor.fetchone() != (0,):
                return
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.01)


class Beside:
    """What is done in a thread with a connection of its own."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.found: list[object] = []
        self.thread = threading.Thread(target=self._run, args=(work,))

    def _run(self, work: Callable[[], object]) -> None:
        try:
            self.found.append(work())
        finally:
            connections.close_all()

    def end(self) -> object:
        self.thread.join(AT_MOST)
        assert not self.thread.is_alive()
        (found,) = self.found
        return found


def ask_for_the_tool(model: Any) -> ServiceCallRecord:
    model.call_tools(("look_up", {"number": 7}))
    model.answer("done")
    return submit(CallSpec(service=Finds))


@pytest.mark.parametrize(("decide", "outcome", "runs"), DECISIONS)
def test_the_put_off_waits_for_the_decision(
    model: Any, anna: Any, monkeypatch: pytest.MonkeyPatch, decide: Any, outcome: DecisionOutcome, runs: int
) -> None:
    commit, decided, beside = group_commit.commit, threading.Event(), []

    def decision() -> object:
        with transaction.atomic():
            found = decide(Hold.objects.get(), anna).outcome
            decided.set()
            until_somebody_waits()
        return found

    def beside_the_decision(commands: Any, **options: Any) -> Any:
        if not beside and any(isinstance(each, Settle) and each.waits_for for each in commands):
            beside.append(Beside(decision))
            beside[0].thread.start()
            assert decided.wait(AT_MOST)
        return commit(commands, **options)

    monkeypatch.setattr(group_commit, "commit", beside_the_decision)
    call = ask_for_the_tool(model)
    drain()
    assert beside[0].end() is outcome
    call.refresh_from_db()
    assert (call.status, call.failures, len(ran)) == ("succeeded", 0, runs), "at once, not in an hour"


@pytest.mark.parametrize(("decide", "outcome", "runs"), DECISIONS)
def test_the_decision_waits_for_the_put_off(
    model: Any, anna: Any, monkeypatch: pytest.MonkeyPatch, decide: Any, outcome: DecisionOutcome, runs: int
) -> None:
    asked, beside = group_commit.decided_meanwhile, []

    def within_the_put_off(keys: Any) -> Any:
        decided = asked(keys)
        if keys and not beside:
            beside.append(Beside(lambda: decide(Hold.objects.get(), anna).outcome))
            beside[0].thread.start()
            until_somebody_waits()
            assert not decided
        return decided

    monkeypatch.setattr(group_commit, "decided_meanwhile", within_the_put_off)
    call = ask_for_the_tool(model)
    drain()
    assert beside[0].end() is outcome
    call.refresh_from_db()
    assert call.due_at <= database_now(), "the decision has brought it forward"
    drain()
    call.refresh_from_db()
    assert (call.status, call.failures, len(ran)) == ("succeeded", 0, runs)
