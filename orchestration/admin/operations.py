"""Operations on selected calls: which would be touched, which not and why; then one call after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest

from orchestration.models import ServiceCallRecord
from orchestration.operations import Operation, carry_out
from orchestration.theme.parts import ModelAdmin, TextareaWidget


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
        widget=TextareaWidget(attrs={"rows": 2, "placeholder": "Why?"}),
    )


def plan(operation: Operation, calls: Iterable[ServiceCallRecord]) -> Plan:
    """Sort calls into those that the operation will touch and those it will not."""
    found = Plan()
    for call in calls:
        objection = operation.objection(call, {})
        if objection:
            found.will_not.append((call, objection))
        else:
            found.will.append(call)
    return found


def apply(
    operation: Operation, admin: ModelAdmin, request: HttpRequest, calls: Iterable[ServiceCallRecord], reason: str
) -> None:
    """Do it to each call, with an entry in its history, and tell how many were done and why others were not."""
    done = 0
    refused: Counter[str] = Counter()
    for call in calls:
        objection = operation.objection(call, {}) or _apply_to_one(operation, admin, request, call, reason)
        if objection:
            refused[objection] += 1
        else:
            done += 1
    if done:
        messages.success(request, f"{_calls(done)} {operation.done}.")
    for why, count in refused.most_common():
        messages.warning(request, f"{_calls(count)} left alone: {why}.")
    if not done and not refused:
        messages.warning(request, "The selected calls no longer exist.")


def _apply_to_one(
    operation: Operation, admin: ModelAdmin, request: HttpRequest, call: ServiceCallRecord, reason: str
) -> str:
    """Empty when it was done, else why not: the call may have moved since it was read."""
    with transaction.atomic():
        result = carry_out(operation, call, {}, request.user)
        if not result.error:
            admin.log_change(request, call, f"{operation.title}. {reason}".strip())
    return result.error.rstrip(".")


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"


def selected(request: HttpRequest, rows: Any, keys: list[str]) -> list[ServiceCallRecord]:
    """The calls with these keys, newest first, however the list is filtered."""
    return list(rows.filter(pk__in=keys).order_by("-created_at", "-id"))
