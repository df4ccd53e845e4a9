"""Whether a result waits for a person, and why: what is declared about it, applied to its answer and its dry run."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from orchestration.components.approval import Approval, Place
from orchestration.components.registry import schemas
from orchestration.engine.queue.database_thread import is_away
from orchestration.isolation import isolated
from orchestration.types import Response
from orchestration.values.sanitize import legible
from persistence import log
from persistence.handlers.approval import Asked, Declared
from persistence.models import ObjectAction
from persistence.models.approval import MAX_REASON, Trigger
from persistence.reprocessing.reports import Report

MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a result waits."""

    trigger: Trigger
    text: str


def reasons_in_answer(declared: Iterable[Declared], response: Response) -> list[Reason]:
    """Those that need no dry run. What a rule writes is undone; one that raises, or returns what is not a reason, is a
    reason itself. Raises what says that the database is away."""
    return [reason for each in declared for reason in _in_answer(each, response)]


def reasons_in_rows(declared: Iterable[Declared], report: Report) -> list[Reason]:
    """Those that the rows give which a dry run would write. What cannot be followed may change any number of rows."""
    changed = sum(change.action is not ObjectAction.CREATED for change in report.changes)
    touched, found = len(report.changes), []
    for approval in (each.approval for each in declared):
        if approval.changes and changed:
            found.append(Reason(trigger=Trigger.CHANGES, text=f"It would update or delete {_rows(changed)}."))
        if approval.rows is not None and touched > approval.rows:
            text = f"It would touch {_rows(touched)}, more than {approval.rows}."
            found.append(Reason(trigger=Trigger.ROWS, text=text))
    asking = [each.approval for each in declared if each.approval.looks_at_rows] if report.unseen else []
    if asking:
        trigger = Trigger.CHANGES if any(approval.changes for approval in asking) else Trigger.ROWS
        text = f"Nobody can be shown what its hand-written statements change: {', '.join(report.unseen)}."
        found.append(Reason(trigger=trigger, text=legible(text, MAX_REASON)))
    return found


def persons_for(declared: Iterable[Declared], report: Report | None = None) -> int:
    """How many have to approve it: the strictest number that is declared, also for the rows that it would write. What
    nobody can be shown may be any number of rows."""
    rows = 0.0 if report is None else math.inf if report.unseen else len(report.changes)
    return 2 if any(each.approval.persons == 2 or _is_above(rows, each.approval) for each in declared) else 1


def _is_above(rows: float, approval: Approval) -> bool:
    return approval.two_persons_above is not None and rows > approval.two_persons_above


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _in_answer(declared: Declared, response: Response) -> Iterator[Reason]:
    approval = declared.approval
    if approval.always:
        yield Reason(trigger=Trigger.ALWAYS, text=f"Every result waits, says {declared.place}.")
    if declared.needs_approval is not None:
        yield from _asked(declared.needs_approval, declared.place, response)
    if approval.unsure and _is_unsure(approval, response):
        yield Reason(trigger=Trigger.UNSURE, text=f"The model is unsure: {approval.unsure} says so.")
    if is_chosen(response.call_id or "", approval.share):
        yield Reason(trigger=Trigger.SHARE, text=f"It is among the {approval.share:g} % that are looked at.")


def is_chosen(call_id: str, percent: float) -> bool:
    """Whether a call is among so many percent of all: always the same ones, and those of a smaller share are among
    those of a larger one."""
    drawn = int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:8])
    return drawn < percent / 100 * 2**64


def _is_unsure(approval: Approval, response: Response) -> bool:
    identity, below = response.execution_metadata.schema_identity, approval.unsure_below
    value: Any = response.structured_data or {}
    for name, places in approval.where_unsure(schemas.try_get(identity) if identity else None):
        found = (_at(value, place) for place in places or [[name]])
        value = next((each for each in found if each is not MISSING), MISSING)
    if below is None:
        return value is not MISSING and bool(value)
    return isinstance(value, bool) or not isinstance(value, int | float) or value < below


def _at(value: Any, place: Place) -> Any:
    for key in place:
        if isinstance(key, int):
            value = value[key] if isinstance(value, list) and -len(value) <= key < len(value) else MISSING
        else:
            value = value.get(key, MISSING) if isinstance(value, dict) else MISSING
    return value


def _asked(rule: Asked, place: str, response: Response) -> Iterator[Reason]:
    copied = response.model_copy(deep=True).attach(response.related_object)
    said, why = _undone(lambda: rule(copied))
    if why:
        text = f"{place}.needs_approval failed, so a person must say: {why}"
    elif said is None or isinstance(said, str):
        if said:
            yield Reason(trigger=Trigger.RULE, text=legible(said, MAX_REASON))
        return
    else:
        text = f"{place}.needs_approval returned a {type(said).__name__}; return the reason as text, or None."
    yield Reason(trigger=Trigger.RULE_FAILED, text=legible(text, MAX_REASON))


def _undone(function: Callable[[], object]) -> tuple[object, str]:
    """What it returns, and why it failed, without values; nothing stays of what it wrote."""
    said: object = None
    with isolated() as run, transaction.atomic():
        said = function()
        transaction.set_rollback(True)
    if run.error is not None and is_away(run.error):
        raise run.error
    return said, "" if run.error is None else log.explain(run.error)
