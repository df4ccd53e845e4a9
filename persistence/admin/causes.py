"""A cause as pages show it: in words, with its line of code, what helps, and where that is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from orchestration.admin.base import may_read_content
from orchestration.admin.sections import Fact, Section, add_call_sections
from orchestration.admin.similar_calls import add_similar_calls, list_url
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.theme.reach import Way, way_to
from persistence.causes.cause import Cause, Kind
from persistence.causes.comparison import differences
from persistence.causes.database_errors import model_of, sqlstate_name
from persistence.causes.remedies import headline, remedy
from persistence.maintenance.dead_letters import fingerprint_of_text
from persistence.models.failures import PersistenceFailure, still_failing


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What a page shows of a cause."""

    headline: str
    facts: list[tuple[str, str]]
    cause: Cause
    remedy: str
    places: list[Way]
    """To where it can be mended."""


def explained(request: HttpRequest, cause: Cause, service_identity: str = "", *, compared: bool = True) -> Explained:
    """`compared`: with what the persisted values are like, in some queries (`differences`)."""
    return Explained(
        headline=headline(cause),
        facts=[*_facts(cause), *(_differences(request, cause, service_identity) if compared else ())],
        cause=cause,
        remedy=remedy(cause),
        places=[way_to(request, reverse(f"admin:{name}"), title) for title, name in _places(cause)],
    )


def _differences(request: HttpRequest, cause: Cause, service_identity: str) -> Iterator[tuple[str, str]]:
    return differences(cause, service_identity, content=may_read_content(request))


def _facts(cause: Cause) -> Iterator[tuple[str, str]]:
    if cause.sqlstate:
        yield "SQLSTATE", sqlstate_name(cause.sqlstate)
    if cause.constraint:
        yield "Constraint", cause.constraint
    if cause.table:
        yield "Table", cause.table
    if cause.columns:
        yield "Column", ", ".join(cause.columns)


def _places(cause: Cause) -> Iterator[tuple[str, str]]:
    """(title, name without `admin:`) of the pages where it can be mended."""
    if cause.kind is Kind.WORKER_DIED:
        yield "Workers", "orchestration_workernode_changelist"
    else:
        yield "Schemas and handlers", "persistence_upgrades"
    if cause.kind in {Kind.TOO_LONG, Kind.OUT_OF_RANGE, Kind.NULL, Kind.CHOICE, Kind.VALIDATION}:
        yield "Prompt texts", "orchestration_prompttext_changelist"
    model = model_of(cause.table)
    if model is not None and admin.site.is_registered(model):
        yield f"Rows of {cause.table}", f"{model._meta.app_label}_{model._meta.model_name}_changelist"


def _failure_read_once(call: ServiceCallRecord) -> PersistenceFailure | None:
    """Why its result is dead, or waits for another try, where that was noted; asked for once for this instance: several
    parts of its page show something of it."""
    known = vars(call)
    if "_failure" not in known:
        failing = ServiceCallRecord.objects.filter(still_failing(), pk=call.pk)
        noted = PersistenceFailure.objects.filter(call__in=failing)
        known["_failure"] = noted.first() if call.domain_persist_error else None
    found: PersistenceFailure | None = known["_failure"]
    return found


@add_call_sections
def why_not_persisted(request: HttpRequest, call: ServiceCallRecord) -> Iterator[Section]:
    """On the page of a call whose result is dead, or waits for another try: why, and what helps."""
    failure = _failure_read_once(call)
    if failure is not None:
        yield Section(
            title="Why it is not persisted",
            template="admin/persistence/cause.html",
            context={
                "why": explained(request, Cause.from_json(failure.cause), call.service_identity),
                "failure": failure,
            },
        )


@add_similar_calls
def not_persisted_for_the_same_cause(call: ServiceCallRecord) -> Iterator[Fact]:
    """The other results that fail like this one."""
    failure = _failure_read_once(call)
    is_dead = call.domain_persist_state == PersistState.DEAD
    if failure is not None or is_dead:
        fingerprint = fingerprint_of_text(call) if failure is None else failure.fingerprint
        yield Fact("Similar calls", "not persisted for the same cause", list_url(dead=fingerprint))
