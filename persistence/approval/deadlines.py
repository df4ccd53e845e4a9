"""What happens to held results on which nobody decided in time: as it was declared, carried out by the sweep; it also
closes holds of tools whose calls have ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction

from orchestration.components.approval import AtDeadline
from orchestration.engine.node import stop_requested
from orchestration.engine.queue.transport import send_task
from persistence.approval.decisions import DecisionOutcome, drop, lock, persist_decided, supersede, tell
from persistence.conf import persistence_settings
from persistence.models.approval import DecisionKind, Hold, HoldState

DEADLINE_TASK = "persistence.tasks.settle_deadlines"
AT_ONCE, LOST_AT_ONCE = 100, 10_000


def wake_for_deadlines() -> None:
    """On every tick: have a worker deal with what is overdue, or left of calls that have ended, if anything is."""
    if Hold.objects.overdue().exists() or Hold.objects.of_ended_calls().exists():
        send_task(DEADLINE_TASK, queue=persistence_settings().DOMAIN_PERSIST_QUEUE)


def settle_overdue(*, seconds: float) -> int:
    """Deal with what is overdue, or left of calls that have ended, each in a transaction of its own; returns how many.
    Begins none after `seconds`."""
    due = (Hold.objects.overdue(), Hold.objects.of_ended_calls())
    return _settle_all([key for rows in due for key in rows.values_list("pk", flat=True)[:AT_ONCE]], seconds)


def settle_lost(*, seconds: float) -> int:
    """The same for what is left of results that were deleted, or dealt with in another way. It compares all that is
    held with the calls: for the hourly retention, not for each tick."""
    return _settle_all(list(Hold.objects.of_lost_results().values_list("pk", flat=True)[:LOST_AT_ONCE]), seconds)


def _settle_all(keys: Sequence[int], seconds: float) -> int:
    stop_at, settled = time.monotonic() + seconds, 0
    for hold_id in dict.fromkeys(keys):
        if time.monotonic() >= stop_at or stop_requested():
            break
        settled += settle(hold_id)
    return settled


def settle(hold_id: int) -> bool:
    """Close one that is about nothing, or do what was declared for its deadline; False when somebody decided, or dealt
    with it, before."""
    with transaction.atomic():
        hold, record = lock(hold_id)
        if not hold.is_open or (record is not None and not hold.is_overdue()):
            return False
        if record is None:
            supersede(hold)
        elif hold.at_deadline == AtDeadline.REJECT:
            hold.note(DecisionKind.DEADLINE)
            drop(hold, record, HoldState.EXPIRED)
            tell(hold, DecisionKind.DEADLINE, None)
        elif hold.at_deadline == AtDeadline.APPROVE and hold.persons > 1:
            _escalate(hold, "It was to be approved, and takes two persons.")
        elif hold.at_deadline == AtDeadline.APPROVE:
            done = persist_decided(hold, record, DecisionKind.DEADLINE, None, "")
            if done.outcome in {DecisionOutcome.MOVED, DecisionOutcome.FAILED}:
                _escalate(hold, "It was to be approved, and would no longer write what was shown.")
        else:
            _escalate(hold, "")
        return True


def _escalate(hold: Hold, note: str) -> None:
    """Ask the group that is declared, and wait without a deadline."""
    group: Any = Group.objects.filter(name=hold.escalate_to).first() if hold.escalate_to else None
    if hold.escalate_to and group is None:
        note = f"{note} There is no group {hold.escalate_to} to ask.".lstrip()
    hold.assignee, hold.group, hold.deadline = None, group or hold.group, None
    hold.save(update_fields=["assignee", "group", "deadline"])
    hold.note(DecisionKind.ESCALATE, note=note)
    tell(hold, DecisionKind.ESCALATE, None)
