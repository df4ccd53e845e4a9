"""Whether applying does what a dry run showed: the essence of a report, how two differ, and applying if they agree.

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
from django.utils import timezone

from persistence.capture import RowChange
from persistence.models import ObjectAction
from persistence.reports import Report
from persistence.sameness import Row, field_of, is_fresh, lasting

Essence = dict[str, dict[str, str]]
"""`message 12 updated` → {column: digest}; the outcome stands under the empty name."""


def essence(report: Report, started: datetime) -> Essence:
    """What a report comes down to; `started` is when its run began."""
    own = {(change.model, str(change.key)) for change in report.changes if change.action is ObjectAction.CREATED}
    found: Essence = {"": {"outcome": report.outcome.value, "error": report.error}}
    seen: Counter[str] = Counter()
    for change in report.changes:
        name = str(change.model._meta.verbose_name)
        if change.action is ObjectAction.CREATED:
            seen[name] += 1
            label = f"{name}, new number {seen[name]}"
        else:
            label = f"{name} {change.key} {change.action.value}"
        found[label] = {
            column: digest
            for column, (_, after) in change.fields.items()
            if (digest := _digest(change, column, after, own, started))
        }
    return found


def _digest(change: RowChange, column: str, value: Any, own: set[Row], started: datetime) -> str:
    """Empty for what differs from run to run."""
    field = field_of(change, column)
    if change.action is ObjectAction.CREATED and is_fresh(field):
        return ""
    kept = lasting(field, value, own, started)
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:8]


def differences(shown: Essence, now: Essence) -> list[str]:
    """What is different now from what was shown, one line each, without values."""
    told = []
    for label in dict.fromkeys([*shown, *now]):
        if label not in now:
            told.append(f"{label}: would not be touched any more")
        elif label not in shown:
            told.append(f"{label}: was not part of it")
        elif shown[label] != now[label]:
            columns = dict.fromkeys([*shown[label], *now[label]])
            changed = [name for name in columns if shown[label].get(name) != now[label].get(name)]
            told.append(f"{label or 'as a whole'}: {', '.join(changed)}")
    return told


def apply_if_agreed(run: Callable[[], Report], shown: Essence) -> tuple[Report, list[str]]:
    """Do it, and keep it only when it is what was shown; else nothing stays, and the differences say what changed."""
    started = timezone.now()
    with transaction.atomic():
        report = run()
        told = differences(shown, essence(report, started))
        if told:
            transaction.set_rollback(True)
    return report, told
