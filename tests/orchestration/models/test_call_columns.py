"""Every column of a call is shown by REST and on the call's page, or is listed here as hidden, with the reason.

A column counts as shown when another value in it changes what is answered. A new column fails these tests until it is
shown or listed; a listed one that is shown by now fails them as well.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import timezone

from apps.accounts.models import User
from orchestration.admin import call_detail
from orchestration.models import ServiceCallRecord
from orchestration.models.states import OrderingPolicy, PersistState, Status
from orchestration.theme import words
from tests.orchestration.api.conftest import Caller, caller, operator  # noqa: F401 - fixtures
from tests.orchestration.factories import queued, request_audit

INTERNAL = {
    "judged_attempts": "which stored answer the next worker takes up",
    "lease_token": "the fencing token",
    "lease_expires_at": "renewed every few seconds",
    "failures": "what the retry decision counts; people see attempts",
    "updated_at": "changes with every renewal of the row",
    "dispatch": "whether the caller waits",
    "queue": "the cluster, the same for all calls of an installation",
    "ordering_policy": "set by the service's author",
    "request_fingerprint": "a digest, compared with a repeated submit",
    "service_kwargs": "options of the submit; each attempt shows what was sent",
    "routes_left": "where the next attempt may go; people see where it went, and why",
}
HIDDEN_FROM_REST = INTERNAL | {
    "worker": "the timeline's own path shows it",
    "sequence": "where a call stands within its ordering key",
    "idempotency_key": "known to whoever submitted",
    "requested_by": "a caller sees their own calls, or all with a permission; other people's names are not for keys",
}
HIDDEN_FROM_PAGE = INTERNAL | {
    "namespace": "the first part of the service's label",
    "retryable": "the button Retry is there or not",
    "due_at": "the timeline begins with created_at",
    "reasoning_tokens": "a part of the output tokens",
    "schema_fingerprint": "the schema's identity and version are shown",
}

OTHERS = {"service_identity": "services.engineapp.default.Route", "status": Status.CANCELLED}
FIRST = {"status": {"domain_persist_state": PersistState.NONE}}
"""What else must be changed before a column can be: a pending call has succeeded."""


def other(field: models.Field[Any, Any], call: ServiceCallRecord) -> Any:
    """A value that differs from the call's and satisfies the table's constraints."""
    value = getattr(call, field.attname)
    if field.name in OTHERS:
        return OTHERS[field.name]
    if field.choices:
        return next(choice for choice, _ in field.flatchoices if choice not in (value, PersistState.PENDING))
    if isinstance(field, models.ForeignKey):
        return foreign_key(field)
    for kind, change in CHANGES.items():
        if isinstance(field, kind):
            return change(value)
    raise NotImplementedError(f"Say in CHANGES how a {type(field).__name__} differs.")


CHANGES: dict[type[models.Field[Any, Any]], Callable[[Any], Any]] = {
    models.BooleanField: lambda value: not value,
    models.DateTimeField: lambda value: (value or timezone.now()) - timedelta(hours=7),
    models.DecimalField: lambda value: Decimal("7.77"),
    models.UUIDField: lambda value: uuid4(),
    models.JSONField: lambda value: {"another": "7777"},
    models.IntegerField: lambda value: 777,
    models.CharField: lambda value: "7777",
    models.TextField: lambda value: "7777",
}


def foreign_key(field: models.ForeignKey[Any, Any]) -> Any:
    if field.related_model is ServiceCallRecord:
        return queued().pk
    if field.related_model is ContentType:
        return ContentType.objects.get_for_model(ServiceCallRecord).pk
    return User.objects.create_user("other@example.com", "pw").pk


@pytest.fixture
def call(db: None) -> ServiceCallRecord:
    """A call with a value in each column that another column's value can hide."""
    now = timezone.now()
    found = queued(
        status=Status.SUCCEEDED,
        result={"output": "yes"},
        error="no",
        error_code="timeout",
        started_at=now,
        finished_at=now + timedelta(seconds=3),
        cancel_requested_at=now + timedelta(seconds=1),
        domain_persist_state=PersistState.PENDING,
        domain_persist_attempts=1,
        next_persist_at=now + timedelta(hours=1),
        schema_identity="schemas.engineapp.default.TriageOutputSchema",
        ordering_key="k",
        sequence=1,
        ordering_policy=OrderingPolicy.SKIP,
        idempotency_key="once",
        related_content_type=ContentType.objects.get_for_model(User),
        related_object_id="1",
        worker="node-1",
        total_tokens=12,
        input_tokens=10,
        output_tokens=2,
        cached_input_tokens=4,
        reasoning_tokens=1,
    )
    request_audit(found).save()
    return found


def columns() -> list[models.Field[Any, Any]]:
    """The columns that are written; a generated one follows from others."""
    fields = ServiceCallRecord._meta.concrete_fields
    return [field for field in fields if not isinstance(field, models.GeneratedField) and not field.primary_key]


def hidden(call: ServiceCallRecord, show: Callable[[], object]) -> set[str]:
    """The columns whose value changes nothing of what is shown."""
    row, same = ServiceCallRecord.objects.filter(pk=call.pk), set()
    stored, usual = row.values().get(), show()
    for field in columns():
        first = FIRST.get(field.name)
        if first:
            row.update(**first)
        before = show() if first else usual
        row.update(**{field.attname: other(field, call)})
        if show() == before:
            same.add(field.name)
        row.update(**{name: stored[name] for name in (field.attname, *(first or ()))})
    return same


def test_an_older_version_may_still_write_its_columns(call: ServiceCallRecord) -> None:
    """A running one names them when it inserts; this one leaves them to their defaults."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT backend, task_id FROM service_call_record")
        assert cursor.fetchall() == [("django_q", None)]
        cursor.execute("SELECT stream FROM ai_request_audit")
        assert [bool(value) for (value,) in cursor.fetchall()] == [False]


def test_rest_shows_every_column_that_is_not_listed(call: ServiceCallRecord, operator: Caller) -> None:  # noqa: F811
    def show() -> object:
        answer = operator.get(f"/service-calls/{call.pk}")
        assert answer.status_code == 200, answer.content
        return answer.json()

    assert hidden(call, show) == set(HIDDEN_FROM_REST)


def test_the_page_shows_every_column_that_is_not_listed(
    call: ServiceCallRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What differs from call to call on the page, without the site's frame around it."""
    now = timezone.now()
    for module in (call_detail, words):  # what still lasts is shown until now, and what was as long ago as now
        monkeypatch.setattr(module, "database_now", lambda: now)
    page = admin.site._registry[ServiceCallRecord]
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root@example.com", "pw")

    def show() -> object:
        found = page.get_object(request, call.pk)
        sections = page.sections(request, found)
        return (
            list(page.facts(request, found)),
            list(page.buttons(request, found)),
            [render_to_string(section.template, {"section": section.context}, request) for section in sections],
        )

    assert hidden(call, show) == set(HIDDEN_FROM_PAGE)
