"""A cause as pages show it: in words, with its line of code, what helps, and where that is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from orchestration.admin.base import may_read_content
from orchestration.admin.sections import Section, add_call_sections
from orchestration.models import ServiceCallRecord
from persistence.causes.cause import Cause, Kind
from persistence.causes.comparison import differences
from persistence.causes.database_errors import model_of, sqlstate_name
from persistence.causes.remedies import headline, remedy
from persistence.models.failures import PersistenceFailure, still_failing


@dataclass(frozen=True, slots=True)
class Place:
    """A page on which a cause can be mended."""

    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What a page shows of a cause."""

    headline: str
    facts: list[tuple[str, str]]
    cause: Cause
    remedy: str
    places: list[Place]


def explained(request: HttpRequest, cause: Cause, service_identity: str = "", *, compared: bool = True) -> Explained:
    """`compared`: with what the persisted values are like, in some queries (`differences`)."""
    return Explained(
        headline=headline(cause),
        facts=[*_facts(cause), *(_differences(request, cause, service_identity) if compared else ())],
        cause=cause,
        remedy=remedy(cause),
        places=list(_places(request, cause)),
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


def _places(request: HttpRequest, cause: Cause) -> Iterator[Place]:
    if cause.kind is not Kind.WORKER_DIED and request.user.has_perm("orchestration.view_servicecallrecord"):
        yield Place("Schemas and handlers", reverse("admin:persistence_upgrades"))
    asks = cause.kind in {Kind.TOO_LONG, Kind.OUT_OF_RANGE, Kind.NULL, Kind.CHOICE, Kind.VALIDATION}
    if asks and request.user.has_perm("orchestration.view_prompttext"):
        yield Place("Prompt texts", reverse("admin:orchestration_prompttext_changelist"))
    if cause.kind is Kind.WORKER_DIED and request.user.has_perm("orchestration.view_workernode"):
        yield Place("Workers", reverse("admin:orchestration_workernode_changelist"))
    yield from _rows(request, cause)


def _rows(request: HttpRequest, cause: Cause) -> Iterator[Place]:
    model = model_of(cause.table)
    if model is None or not admin.site.is_registered(model):
        return
    meta = model._meta
    if not request.user.has_perm(f"{meta.app_label}.view_{meta.model_name}"):
        return
    try:
        yield Place(f"Rows of {cause.table}", reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"))
    except NoReverseMatch:
        return


@add_call_sections
def why_not_persisted(request: HttpRequest, call: ServiceCallRecord) -> Iterator[Section]:
    """On the page of a call whose result is dead, or waits for another try: why, and what helps."""
    failing = ServiceCallRecord.objects.filter(still_failing(), pk=call.pk)
    failure = PersistenceFailure.objects.filter(call__in=failing).first() if call.domain_persist_error else None
    if failure is not None:
        yield Section(
            title="Why it is not persisted",
            template="admin/persistence/cause.html",
            context={
                "why": explained(request, Cause.from_json(failure.cause), call.service_identity),
                "failure": failure,
            },
        )
