"""What an operator may do to calls: plan it (what will be touched, what not, and why), then do it, one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from orchestration.engine.submit import wake
from orchestration.errors import TransitionRefused
from orchestration.models import ServiceCallRecord
from orchestration.operating import against_cancelling, against_retrying


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A transition that people ask for."""

    name: str
    title: str
    permission: str
    """Of the app `orchestration`."""
    promise: str
    """What becomes of the calls it touches, for the confirmation page."""
    done: str
    """The same, in the past tense."""
    transition: Callable[[ServiceCallRecord], None]
    objection: Callable[[ServiceCallRecord], str]
    """Why this call would be left alone; empty when it would not."""

    def allowed(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"orchestration.{self.permission}")


@dataclass(slots=True, kw_only=True)
class Plan:
    """What an operation would do to some calls, as they are now."""

    will: list[ServiceCallRecord] = field(default_factory=list)
    will_not: list[tuple[ServiceCallRecord, str]] = field(default_factory=list)

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Each objection with the number of calls it holds for, most frequent first."""
        return Counter(why for _, why in self.will_not).most_common()


class ReasonForm(forms.Form):
    reason = forms.CharField(
        required=False,
        max_length=500,
        help_text="Kept in the history of each call.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "placeholder": "Why?"}),
    )


def plan(operation: Operation, calls: Iterable[ServiceCallRecord]) -> Plan:
    """Sort calls into those that the operation will touch and those it will not."""
    found = Plan()
    for call in calls:
        objection = operation.objection(call)
        if objection:
            found.will_not.append((call, objection))
        else:
            found.will.append(call)
    return found


def carry_out(
    operation: Operation, admin: ModelAdmin, request: HttpRequest, calls: Iterable[ServiceCallRecord], reason: str
) -> None:
    """Do it to each call for itself, with an entry in its history, and tell how many and why not."""
    done: list[ServiceCallRecord] = []
    refused: Counter[str] = Counter()
    for call in calls:
        objection = operation.objection(call) or _carry_out_one(operation, admin, request, call, reason)
        if objection:
            refused[objection] += 1
        else:
            done.append(call)
    for queue in {call.queue for call in done}:
        wake(queue)
    _tell(operation, request, len(done), refused)


def _carry_out_one(
    operation: Operation, admin: ModelAdmin, request: HttpRequest, call: ServiceCallRecord, reason: str
) -> str:
    """Empty when it was done, else why not: the call may have moved since it was read."""
    try:
        with transaction.atomic():
            operation.transition(call)
            admin.log_change(request, call, f"{operation.title}. {reason}".strip())
    except TransitionRefused:
        return f"{call.status} meanwhile"
    return ""


def _tell(operation: Operation, request: HttpRequest, done: int, refused: Counter[str]) -> None:
    if done:
        messages.success(request, f"{_calls(done)} {operation.done}.")
    for why, count in refused.most_common():
        messages.warning(request, f"{_calls(count)} left alone: {why}.")
    if not done and not refused:
        messages.warning(request, "No call was selected that still exists.")


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"


def selected(request: HttpRequest, rows: Any, keys: list[str]) -> list[ServiceCallRecord]:
    """The calls with these keys, newest first, however the list is filtered."""
    return list(rows.filter(pk__in=keys).order_by("-created_at", "-id"))


RETRY = Operation(
    name="retry",
    title="Retry",
    permission="retry_servicecallrecord",
    promise="will be queued again, each as a new attempt on the same record",
    done="queued again",
    transition=ServiceCallRecord.retry,
    objection=against_retrying,
)
CANCEL = Operation(
    name="cancel",
    title="Cancel",
    permission="cancel_servicecallrecord",
    promise="will be cancelled; those that run are asked to stop",
    done="cancelled or asked to stop",
    transition=ServiceCallRecord.cancel,
    objection=against_cancelling,
)
