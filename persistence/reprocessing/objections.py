"""Objections of apps to reverting or recreating what a call persisted: reasons that the rows do not show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet

from persistence.errors import ReprocessRefused


class Act(StrEnum):
    """What would be done to a call; `recreate` is reprocessing with that policy."""

    REVERT = "revert"
    RECREATE = "recreate"


CallIds = list[str] | QuerySet[Any, Any]
"""Usable after `__in` of a foreign key to calls: a list, or a query of ids."""
Objection = Callable[[CallIds], Mapping[str, str]]
"""Of some calls those that are to be left alone, each with the reason and what to do instead: one sentence, few
different ones, because bulk runs count calls by reason. Asked in the transaction that holds the call."""

_objections: dict[Act, list[Objection]] = {act: [] for act in Act}


def objects_to(*acts: Act) -> Callable[[Objection], Objection]:
    """Decorate a function that objects to these acts. Nobody can override it, `force` neither: what is retried, taken
    back or made again against the will of its app leaves data that contradict each other."""

    def add(objection: Objection) -> Objection:
        for act in acts:
            if objection not in _objections[act]:
                _objections[act].append(objection)
        return objection

    return add


def objections(act: Act, call_ids: CallIds) -> dict[str, str]:
    """What apps say against it, by call; the first objection to a call counts."""
    found: dict[str, str] = {}
    for objection in _objections[act]:
        found = {**objection(call_ids), **found}
    return found


def check(act: Act, call_id: str) -> None:
    """ReprocessRefused when an app objects to it for this call."""
    found = objections(act, [call_id])
    if found:
        raise ReprocessRefused(list(found.values()))
