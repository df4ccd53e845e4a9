"""The gate of the drain: holds results back that a person must see first, with what they would write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group

from orchestration.clock import database_now
from orchestration.components.approval import LONGEST_DEADLINE, Approval, AtDeadline
from orchestration.models import ServiceCallRecord
from orchestration.stats.prompt_use import prompt_of
from orchestration.types import JsonObject
from orchestration.values.moments import later
from persistence.approval.rules import Reason, reasons_in_answer, reasons_in_rows
from persistence.approval.showing import Shown, show
from persistence.handlers.approval import Declared
from persistence.models.approval import MAX_REASON, Hold
from persistence.outbox.work import Work
from persistence.reprocessing.reprocess import held_call


def hold_back(work: Work) -> bool:
    """Whether the result waits; then its hold is stored. In the transaction that has locked the call.

    Raises what the handler raises in the dry run: a result that nobody can be shown is charged like any that fails.
    """
    _, response = work.known()
    reasons = reasons_in_answer(work.declared, response)
    if not reasons and not any(each.approval.looks_at_rows for each in work.declared):
        return False
    record = held_call(work.call_id)
    if record is None:
        return False
    shown = show(record)
    reasons += reasons_in_rows(work.declared, shown.report)
    if not reasons:
        return False
    work.held = _hold(work.record, shown, reasons, work.declared)
    work.row.mark_held()
    return True


def _hold(record: ServiceCallRecord, shown: Shown, reasons: Sequence[Reason], declared: Sequence[Declared]) -> Hold:
    return Hold.objects.create(
        call_id=record.pk,
        **origin(record),
        trigger=reasons[0].trigger,
        reason=" ".join(reason.text for reason in reasons)[:MAX_REASON],
        answer=shown.answer,
        **shown.columns(),
        **terms(declared),
    )


def origin(record: ServiceCallRecord) -> JsonObject:
    """What a hold keeps of its call."""
    prompt = prompt_of(record)
    return {
        "service_identity": record.service_identity,
        "namespace": record.namespace,
        "schema_identity": record.schema_identity,
        "prompt_version": prompt.version if prompt else "",
        "priority": record.priority,
        "requested_by_id": record.requested_by_id,
    }


def terms(declared: Iterable[Declared]) -> JsonObject:
    """Who decides by when: all that is declared counts, wherever it is. Every permission, the first deadline, the first
    group."""
    approvals = [each.approval for each in declared]
    first = min((each for each in approvals if each.deadline), key=_time_left, default=None)
    found: JsonObject = {
        "not_the_requester": any(each.not_the_requester for each in approvals),
        "permissions": " ".join(dict.fromkeys(each.permission for each in approvals if each.permission)),
        "group": _group(next((each.assign_to for each in approvals if each.assign_to), "")),
        "escalate_to": next((each.escalate_to for each in approvals if each.escalate_to), ""),
    }
    if first is not None and first.deadline is not None:
        found["deadline"] = later(database_now(), first.deadline.total_seconds())
        found["at_deadline"] = AtDeadline(first.at_deadline).value
        found["escalate_to"] = first.escalate_to or found["escalate_to"]
    return found


def _time_left(approval: Approval) -> timedelta:
    return approval.deadline or LONGEST_DEADLINE


def _group(name: str) -> Any:
    """The group; None for one that there is not: then nobody is asked in particular."""
    return Group.objects.filter(name=name).first() if name else None
