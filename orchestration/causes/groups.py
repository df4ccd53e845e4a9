"""Failed calls by cause, from the first failure on: those that ended so, and those that wait for their next attempt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestration.causes.failure_cause import FailureCause, cause_of_failure, normalized
from orchestration.clock import database_now
from orchestration.errors import PUT_OFF
from orchestration.models import ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.states import Status

NEWEST = 2_000
"""Failed calls, and those that wait for their next attempt, that are looked at."""
PERIOD = timedelta(days=7)
READ = (
    *("id", "status", "service_identity", "client", "model_requested", "schema_identity"),
    *("error_code", "error", "failures", "created_at", "updated_at"),
)


@dataclass(slots=True, kw_only=True)
class FailedGroup:
    """Calls that failed for one cause."""

    fingerprint: str
    """16 hex digits: of the service, where it goes, the code, and the message without numbers."""
    cause: FailureCause
    message: str
    """Of the newest one; it may hold content."""
    service_identity: str
    route: str
    failed: int = 0
    waiting: int = 0
    """How many are tried again by themselves."""
    first_seen: datetime
    last_seen: datetime
    call_ids: list[str] = field(default_factory=list)
    """Of the failed ones, the newest first."""
    waiting_ids: list[str] = field(default_factory=list)
    """Of those that are tried again by themselves."""
    examples: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.failed + self.waiting


def failed_groups(now: datetime | None = None) -> tuple[list[FailedGroup], bool]:
    """(groups of the last seven days, the most frequent first; whether there are more calls than were looked at). Two
    queries, which read no content but the messages of errors."""
    failed, retried = _failures(now or database_now())
    groups: dict[str, FailedGroup] = {}
    for call in (*failed[:NEWEST], *retried[:NEWEST]):
        mark = fingerprint_of(call)
        group = groups.get(mark)
        if group is None:
            group = groups[mark] = FailedGroup(
                fingerprint=mark,
                cause=cause_of_failure(call),
                message=call.error or "",
                service_identity=call.service_identity,
                route=str(call.route),
                first_seen=call.updated_at,
                last_seen=call.updated_at,
            )
        _add(group, call)
    return sorted(groups.values(), key=lambda group: (-group.count, group.fingerprint)), any(
        len(found) > NEWEST for found in (failed, retried)
    )


def _failures(now: datetime) -> tuple[list[ServiceCallRecord], list[ServiceCallRecord]]:
    """The newest calls that failed, and those that wait for another attempt; of each one more than is looked at."""
    newest = ServiceCallRecord.objects.filter(created_at__gte=now - PERIOD).order_by("-created_at", "-id").only(*READ)
    calls: ServiceCallQuerySet = newest
    retried = calls.queued().filter(error_code__gt="", failures__gt=0).exclude(error_code__in=PUT_OFF)
    return list(calls.failed()[: NEWEST + 1]), list(retried[: NEWEST + 1])


def _add(group: FailedGroup, call: ServiceCallRecord) -> None:
    if call.status == Status.FAILED:
        group.failed += 1
        group.call_ids.append(call.pk)
    else:
        group.waiting += 1
        group.waiting_ids.append(call.pk)
    if len(group.examples) < EXAMPLES:
        group.examples.append(call.pk)
    group.first_seen = min(group.first_seen, call.updated_at)
    group.last_seen = max(group.last_seen, call.updated_at)


EXAMPLES = 5


def fingerprint_of(call: ServiceCallRecord) -> str:
    """That of the group of a call that failed, or fails and waits."""
    about = [call.service_identity, str(call.route), call.error_code, normalized(call.error or "")]
    return hashlib.sha256("\n".join(about).encode("utf-8", "backslashreplace")).hexdigest()[:16]
