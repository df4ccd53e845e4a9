"""Results that persistence gave up on, grouped by what went wrong."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Max, Min, Q, QuerySet

from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.handlers.registry import resolve

QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
IDENTIFIER = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b[0-9a-f]{16,}\b", re.IGNORECASE)
NUMBER = re.compile(r"(SQLSTATE \w{5})|\d+")
"""SQLSTATE codes, which are kept when digits are removed: they tell one cause from another."""
KIND = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(slots=True, kw_only=True)
class DeadGroup:
    """Dead results of one cause: exception type, handler, and the message without what differs from call to call."""

    fingerprint: str
    """16 hex digits."""
    exception: str
    handler: str
    """Who takes these results now; the schema where nobody does."""
    message: str
    count: int = 0
    first_seen: datetime
    last_seen: datetime
    keys: list[tuple[str, str, str | None]] = field(default_factory=list)
    """(namespace, schema, error as stored): which rows these are."""
    examples: list[str] = field(default_factory=list)
    """Calls, one for each of these."""


def normalized(error: str) -> str:
    """An error as stored, with quoted text, ids and numbers replaced."""
    return NUMBER.sub(lambda found: found[1] or "#", IDENTIFIER.sub("<id>", QUOTED.sub("<text>", error)))


def dead_groups() -> list[DeadGroup]:
    """All dead results by fingerprint, the most frequent first; when they were seen is when the row last moved."""
    rows = (
        ServiceCallRecord.objects.dead()
        .order_by()
        .values_list("namespace", "schema_identity", "domain_persist_error")
        .annotate(Count("pk"), Min("updated_at"), Max("updated_at"), Max("pk"))
    )
    groups: dict[str, DeadGroup] = {}
    for namespace, schema, error, count, first, last, example in rows:
        new = _group(namespace, schema, error or "", first, last)
        group = groups.setdefault(new.fingerprint, new)
        group.count += count
        group.first_seen, group.last_seen = min(group.first_seen, first), max(group.last_seen, last)
        group.keys.append((namespace, schema, error))
        group.examples.append(example)
    return sorted(groups.values(), key=lambda group: (-group.count, group.fingerprint))


def _group(namespace: str, schema: str, error: str, first: datetime, last: datetime) -> DeadGroup:
    handler = resolve(namespace, schema)
    shown, message = str(handler.identity) if handler else schema, normalized(error)
    kind = KIND.match(error)
    exception = kind[0] if kind else ""
    mark = hashlib.sha256("\n".join([exception, shown, message]).encode()).hexdigest()[:16]
    return DeadGroup(
        fingerprint=mark, exception=exception, handler=shown, message=message, first_seen=first, last_seen=last
    )


def calls_of_group(fingerprint: str) -> Q:
    """The dead calls of a group, as a condition. LookupError for no such group."""
    return Q(domain_persist_state=PersistState.DEAD) & _in(_found(fingerprint))


def _found(fingerprint: str) -> DeadGroup:
    group = next((group for group in dead_groups() if group.fingerprint == fingerprint), None)
    if group is None:
        raise LookupError(f"No dead results have the fingerprint {fingerprint}.")
    return group


def dead_of(group: DeadGroup) -> QuerySet[ServiceCallRecord]:
    """The calls of a group that are dead now."""
    return ServiceCallRecord.objects.dead().filter(_in(group))


def _in(group: DeadGroup) -> Q:
    """By namespace and schema, with lists of errors: a group may have thousands."""
    errors: dict[tuple[str, str], list[str | None]] = {}
    for namespace, schema, error in group.keys:
        errors.setdefault((namespace, schema), []).append(error)
    which = Q(pk__in=[])
    for (namespace, schema), listed in errors.items():
        known = Q(domain_persist_error__in=[error for error in listed if error is not None])
        unknown = Q(domain_persist_error__isnull=True) if None in listed else Q(pk__in=[])
        which |= Q(namespace=namespace, schema_identity=schema) & (known | unknown)
    return which
