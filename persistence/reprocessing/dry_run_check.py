"""The dry-run check: what a report comes down to, how two differ, and applying only what was shown.

Keys of new rows, fresh random ids and the clock differ every time and are left out; of values only digests are kept,
so that an essence may travel through a browser of somebody who must not read them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction

from orchestration.clock import earlier_than_new_times
from persistence.models import ObjectAction
from persistence.reprocessing.reports import Report
from persistence.reprocessing.row_equivalence import NOW, Run, field_of, is_fresh, lasting
from persistence.tracking.row_changes import RowChange
from persistence.tracking.saved_files import deleting_rolled_back_files

Essence = dict[str, dict[str, str]]
"""`message 12 updated` → {column: digest}; the outcome stands under the empty name."""


def essence(report: Report, started: datetime, *, before: bool = False) -> Essence:
    """What a report comes down to; `started` is when its run began. With `before`, what stood in a row that would be
    changed or deleted is part of it."""
    labels = _labels(report.changes)
    names = {
        (change.model, change.id): label
        for change, label in zip(report.changes, labels, strict=True)
        if change.action is ObjectAction.CREATED
    }
    run = Run(names=names, files=report.files, started=started)
    whole = {"outcome": report.outcome.value, "error": report.error, "unseen": ", ".join(report.unseen)}
    whole["what it contradicts"] = _short(report.contradicted)
    found: Essence = {"": whole}
    for change, label in zip(report.changes, labels, strict=True):
        found[label] = {
            column: digest
            for column, (_, after) in change.fields.items()
            if (digest := _digest(change, column, after, run))
        }
        if before:
            found[label] |= _before(change, run)
    return found


def _before(change: RowChange, run: Run) -> dict[str, str]:
    """What stood in the columns that would be changed, but for those that get the time of the run: whoever else saved
    the row meanwhile has changed nothing there that anybody looks at."""
    if change.action is ObjectAction.CREATED:
        return {}
    return {
        f"{column} before": _short(was)
        for column, (was, after) in change.fields.items()
        if lasting(field_of(change, column), after, run, change.after or {}) != NOW
    }


def _labels(changes: list[RowChange]) -> list[str]:
    """A name for each row that is the same in every run: new ones are counted."""
    seen: Counter[str] = Counter()
    labels = []
    for change in changes:
        name = str(change.model._meta.verbose_name)
        if change.action is ObjectAction.CREATED:
            seen[name] += 1
            labels.append(f"{name}, new number {seen[name]}")
        else:
            labels.append(f"{change.label} {change.action.value}")
    return labels


def _digest(change: RowChange, column: str, value: Any, run: Run) -> str:
    """Empty for what differs from run to run."""
    field = field_of(change, column)
    if change.action is ObjectAction.CREATED and is_fresh(field, value):
        return ""
    kept = lasting(field, value, run, change.after or {})
    return _short(kept)


def _short(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]


def differences(shown: Essence, now: Essence) -> list[str]:
    """What is different now from what was shown, one line each, without values."""
    messages = []
    for label in dict.fromkeys([*shown, *now]):
        if label not in now:
            messages.append(f"{label}: would no longer be touched")
        elif label not in shown:
            messages.append(f"{label}: was not part of it")
        elif shown[label] != now[label]:
            columns = dict.fromkeys([*shown[label], *now[label]])
            changed = [name for name in columns if shown[label].get(name) != now[label].get(name)]
            messages.append(f"{label or 'as a whole'}: {', '.join(changed)}")
    return messages


def apply_if_as_shown(run: Callable[[], Report], shown: Essence) -> tuple[Report, list[str]]:
    """Do it, and keep it only when it is what was shown; else nothing stays, and the differences say what changed."""
    started = earlier_than_new_times()
    with deleting_rolled_back_files(), transaction.atomic():
        report = run()
        changed = differences(shown, essence(report, started))
        if changed:
            transaction.set_rollback(True)
    return report, changed
