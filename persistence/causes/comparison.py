"""How a value that was not accepted differs from those that were persisted: by type and length, no content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import CharField, Field, Model, TextField
from django.db.models.functions import Cast, Length

from orchestration.causes.comparison import answered_lately, shapes_of_results
from orchestration.models.states import PersistState
from orchestration.values.described import lengths, shapes
from persistence.causes.cause import Cause, Kind
from persistence.causes.database_errors import model_of

NEWEST_ROWS = 500
"""Of a table, whose values are compared."""
MOST_CHOICES = 20
OF_COLUMNS = frozenset({Kind.TOO_LONG, Kind.OUT_OF_RANGE, Kind.NULL})


def differences(cause: Cause, service_identity: str = "") -> Iterator[tuple[str, str]]:
    """(where, what is stored there), for the columns and the fields of the answer that a cause names. At most a query a
    column, and three for all fields of the answers of a service."""
    fields = _fields_of(cause)
    if cause.kind in OF_COLUMNS:
        for field in fields:
            if said := _stored(field):
                yield f"{field.column} in stored rows", said
    if cause.kind is Kind.CHOICE:
        for field in fields:
            named = [str(value) for value, _ in field.flatchoices][:MOST_CHOICES]
            yield f"Choices of {field.column}", ", ".join(named)
    if cause.kind is Kind.VALIDATION and service_identity:
        yield from _of_answers(cause, service_identity)


def _fields_of(cause: Cause) -> list[Field[Any, Any]]:
    model = model_of(cause.table)
    fields = () if model is None else model._meta.local_concrete_fields
    return [field for field in fields if field.column in cause.columns]


def _stored(field: Field[Any, Any]) -> str:
    model: type[Model] = field.model
    newest = model._default_manager.order_by("-pk")
    if isinstance(field, CharField | TextField):  # the database measures them: texts may be long
        return lengths(newest.values_list(Length(Cast(field.attname, TextField())), flat=True)[:NEWEST_ROWS])
    return shapes(newest.values_list(field.attname, flat=True)[:NEWEST_ROWS])


def _of_answers(cause: Cause, service_identity: str) -> Iterator[tuple[str, str]]:
    persisted = answered_lately(service_identity).filter(domain_persist_state=PersistState.PERSISTED)
    found = shapes_of_results(persisted, [fault.path for fault in cause.faults if "<key>" not in fault.path])
    for path, shape in found.items():
        yield f"{path} in persisted answers", shape
