"""Results that persistence failed with, grouped by cause from the first failure on: dead ones, and those that wait for
another try."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, F, Max, Min, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.causes.cause import Cause
from persistence.causes.remedies import headline
from persistence.handlers.registry import resolve
from persistence.models.failures import PersistenceFailure, still_failing, waiting_again

QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
IDENTIFIER = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b[0-9a-f]{16,}\b", re.IGNORECASE)
NUMBER = re.compile(r"(SQLSTATE \w{5})|\d+")
"""SQLSTATE codes, which are kept when digits are removed: they tell one cause from another."""
KIND = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(slots=True, kw_only=True)
class FailureGroup:
    """Results that failed for one cause."""

    fingerprint: str
    """16 hex digits."""
    handler: str
    """Who took these results; the schema where nobody did."""
    cause: Cause
    """Of the latest one."""
    dead: int = 0
    failing: int = 0
    """How many wait for another try."""
    first_seen: datetime
    last_seen: datetime
    is_noted: bool = True
    """False for what a version before this one charged: it left a text, and no cause."""
    keys: list[tuple[str, str, str | None]] = field(default_factory=list)
    """(namespace, schema, error as stored) of what is not noted: which rows these are."""
    examples: list[str] = field(default_factory=list)
    """Calls."""

    @property
    def count(self) -> int:
        return self.dead + self.failing

    @property
    def exception(self) -> str:
        return self.cause.exception

    @property
    def headline(self) -> str:
        """The cause in one line."""
        return headline(self.cause) if self.is_noted else self.cause.message

    def add(self, state: str, count: int, first: datetime, last: datetime) -> None:
        if state == PersistState.DEAD:
            self.dead += count
        else:
            self.failing += count
        self.first_seen, self.last_seen = min(self.first_seen, first), max(self.last_seen, last)


def failure_groups() -> list[FailureGroup]:
    """All results that are dead or wait for another try, by cause, the most frequent first. Three queries; a fourth
    where some were charged by an older version."""
    groups = _noted()
    failing = ServiceCallRecord.objects.dead().order_by().values("pk")
    if failing.union(waiting_again().order_by().values("pk"), all=True).count() != sum(group.count for group in groups):
        groups += _of_older_versions()
    return sorted(groups, key=lambda group: (-group.count, group.fingerprint))


def dead_groups() -> list[FailureGroup]:
    """The groups in which results are dead."""
    return [group for group in failure_groups() if group.dead]


def _noted() -> list[FailureGroup]:
    dead = Q(call__in=ServiceCallRecord.objects.dead().order_by().values("pk"))
    rows = list(
        PersistenceFailure.objects.current()
        .order_by()
        .values_list("fingerprint")
        .annotate(
            dead=Count("pk", filter=dead),
            count=Count("pk"),
            first=Min("first_at"),
            last=Max("last_at"),
            newest=Max("pk"),
        )
    )
    latest = PersistenceFailure.objects.in_bulk([example for *_, example in rows])
    return [
        FailureGroup(
            fingerprint=fingerprint,
            handler=latest[example].handler,
            cause=Cause.from_json(latest[example].cause),
            dead=dead,
            failing=count - dead,
            first_seen=first,
            last_seen=last,
        )
        for fingerprint, dead, count, first, last, example in rows
        if example in latest  # else it was persisted meanwhile
    ]


def examples_of(groups: Collection[FailureGroup], most: int) -> dict[str, list[str]]:
    """The newest calls of each group, by fingerprint, at most so many; one query for what is noted."""
    found: dict[str, list[str]] = defaultdict(list)
    newest = Window(RowNumber(), partition_by=F("fingerprint"), order_by=F("call_id").desc())
    wanted = [group.fingerprint for group in groups if group.is_noted]
    rows = PersistenceFailure.objects.current().filter(fingerprint__in=wanted).annotate(place=newest)
    for fingerprint, call_id in rows.filter(place__lte=most).order_by("place").values_list("fingerprint", "call_id"):
        found[fingerprint].append(call_id)
    for group in groups:
        if not group.is_noted:
            found[group.fingerprint] = sorted(group.examples, reverse=True)[:most]
    return found


# --- what an older version charged ------------------------------------------------------------


def normalized(error: str) -> str:
    """An error as stored, with quoted text, ids and numbers replaced."""
    return NUMBER.sub(lambda found: found[1] or "#", IDENTIFIER.sub("<id>", QUOTED.sub("<text>", error)))


def _of_older_versions() -> Iterator[FailureGroup]:
    rows = (
        ServiceCallRecord.objects.filter(still_failing(), persistence_failure__isnull=True)
        .order_by()
        .values_list("namespace", "schema_identity", "domain_persist_error", "domain_persist_state")
        .annotate(Count("pk"), Min("updated_at"), Max("updated_at"), Max("pk"))
    )
    groups: dict[str, FailureGroup] = {}
    for namespace, schema, error, state, count, first, last, example in rows:
        new = _of_text(namespace, schema, error or "", first, last)
        group = groups.setdefault(new.fingerprint, new)
        group.add(state, count, first, last)
        group.keys.append((namespace, schema, error))
        group.examples.append(example)
    yield from groups.values()


def _of_text(namespace: str, schema: str, error: str, first: datetime, last: datetime) -> FailureGroup:
    handler = resolve(namespace, schema)
    shown, message = str(handler.identity) if handler else schema, normalized(error)
    kind = KIND.match(error)
    exception = kind[0] if kind else ""
    mark = hashlib.sha256("\n".join([exception, shown, message]).encode()).hexdigest()[:16]
    return FailureGroup(
        fingerprint=mark,
        handler=shown,
        cause=Cause(exception=exception, message=message),
        first_seen=first,
        last_seen=last,
        is_noted=False,
    )


# --- the calls of a group ---------------------------------------------------------------------


def fingerprint_of_text(call: ServiceCallRecord) -> str:
    """Of a failure that an older version charged: it left a text, and no cause."""
    now = call.updated_at
    return _of_text(call.namespace, call.schema_identity, call.domain_persist_error or "", now, now).fingerprint


def calls_of_group(fingerprint: str) -> Q:
    """The calls of a group whose results are dead or wait for another try. LookupError for no such group."""
    if PersistenceFailure.objects.current().filter(fingerprint=fingerprint).exists():
        return still_failing() & Q(persistence_failure__fingerprint=fingerprint)
    group = next((group for group in _of_older_versions() if group.fingerprint == fingerprint), None)
    if group is None:
        raise LookupError(f"No result fails with the fingerprint {fingerprint} now.")
    return _in(group)


def calls_in(group: FailureGroup) -> QuerySet[ServiceCallRecord]:
    """The calls of a group whose results are dead now, or wait for another try."""
    if group.is_noted:
        return ServiceCallRecord.objects.filter(still_failing(), persistence_failure__fingerprint=group.fingerprint)
    return ServiceCallRecord.objects.filter(_in(group))


def _in(group: FailureGroup) -> Q:
    """By namespace and schema, with lists of errors: a group may have thousands."""
    errors: dict[tuple[str, str], list[str | None]] = defaultdict(list)
    for namespace, schema, error in group.keys:
        errors[namespace, schema].append(error)
    which = Q(pk__in=[])
    for (namespace, schema), listed in errors.items():
        known = Q(domain_persist_error__in=[error for error in listed if error is not None])
        unknown = Q(domain_persist_error__isnull=True) if None in listed else Q(pk__in=[])
        which |= Q(namespace=namespace, schema_identity=schema) & (known | unknown)
    return which & still_failing() & Q(persistence_failure__isnull=True)
