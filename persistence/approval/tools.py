"""Tools that need approval: one hold for each run that a model asks for; the decision brings the call forward."""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import partial

from django.db import transaction

from orchestration.clock import database_now
from orchestration.engine.execution.tool_approval import Answers, ToolAnswer
from orchestration.engine.queue.transport import wake
from orchestration.models import ServiceCallRecord
from orchestration.models.tool_runs import ToolRun
from persistence.approval.holding import origin, terms
from persistence.approval.rules import persons_for
from persistence.approval.showing import digest_of
from persistence.handlers.approval import declarations_of_service
from persistence.models.approval import DecisionKind, Hold, HoldState, Trigger

REFUSED = (HoldState.REJECTED, HoldState.EXPIRED)


def ask_about(record: ServiceCallRecord, runs: Sequence[ToolRun]) -> Answers:
    """Hold each run once, and say what was decided about it.

    A superseded hold says nothing: its call had ended before anybody decided, and was retried since.
    """
    with transaction.atomic():
        holds_of_tools = Hold.objects.filter(call_id=record.pk, tool_key__gt="").exclude(state=HoldState.SUPERSEDED)
        known = {hold.tool_key: hold for hold in holds_of_tools.order_by("pk")}
        holds = {run.key: known.get(run.key) or _hold(record, run) for run in runs}
    return {key: _answer(hold) for key, hold in holds.items()}


def _hold(record: ServiceCallRecord, run: ToolRun) -> Hold:
    declared = declarations_of_service(record.service_identity)
    hold, _ = Hold.objects.get_or_create(
        call_id=record.pk,
        tool_key=run.key,
        state=HoldState.OPEN,
        defaults={
            **origin(record),
            "tool": run.tool,
            "trigger": Trigger.TOOL,
            "reason": f"The model asks for the tool {run.tool}.",
            "answer": run.arguments,
            "digest": digest_of(run.key, run.arguments),
            **terms(declared),
            "persons": persons_for(declared),
        },
    )
    return hold


def _answer(hold: Hold) -> ToolAnswer:
    if hold.state in REFUSED:
        decision = hold.decisions.filter(kind=DecisionKind.REJECT).last()
        why = f" {decision.note}" if decision is not None else ""
        return ToolAnswer(refused=f"A person refused that this tool is run.{why}")
    return ToolAnswer(waits=hold.state not in {HoldState.APPROVED, HoldState.EDITED})


def undecided(keys: Set[str]) -> Set[str]:
    """Those of these keys of runs that still wait for somebody."""
    calls = {key.rsplit(":", 2)[0] for key in keys}  # the index begins with the call
    return set(Hold.objects.open().filter(call_id__in=calls, tool_key__in=keys).values_list("tool_key", flat=True))


def still_waits(record: ServiceCallRecord) -> bool:
    """Whether the call of a held tool can still continue."""
    return not record.is_terminal


def go_on(record: ServiceCallRecord) -> None:
    """Bring the call forward, when the decision is committed. One that a worker still holds is not put off then: that
    write locks the call, as this decision did, and asks what is `undecided`."""
    now = database_now()
    ServiceCallRecord.objects.queued().filter(pk=record.pk, due_at__gt=now).update(due_at=now)
    transaction.on_commit(partial(wake, record.queue), robust=True)
