"""How what was not accepted differs from what was persisted: by types, lengths and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import CharField, Field, ForeignKey, Model, QuerySet, TextField
from django.db.models.functions import Cast, Length

from orchestration.causes.comparison import answered_lately, shapes_of_results
from orchestration.models.states import PersistState
from orchestration.values.described import NOTHING, lengths, shapes
from persistence.causes.cause import Cause, Kind
from persistence.causes.database_errors import model_of
from persistence.models import PersistedObject

NEWEST_ROWS = 500
"""Of a table, whose values are compared."""
MOST_CHOICES = 20
OF_COLUMNS = frozenset({Kind.TOO_LONG, Kind.OUT_OF_RANGE, Kind.NULL, Kind.CHECK})
NEWEST_WRITES = 2_000
"""Of all tables, among which those of the table are looked for."""
MOST_COUNTED = 10_000


def differences(cause: Cause, service_identity: str = "", *, content: bool = False) -> Iterator[tuple[str, str]]:
    """(where, what is stored there), for what a cause names: columns, the table, fields of the answer.

    Values are named only with `content`, and only those of columns with choices. `service_identity`: whose persisted
    answers are looked at; empty: none. At most a query a column and two for the table, and three for all answers.
    """
    fields = _fields_of(cause)
    if cause.kind in OF_COLUMNS:
        yield from ((f"{field.column} in stored rows", said) for field in fields if (said := _stored(field)))
    if cause.kind is Kind.CHOICE:
        for field in fields:
            yield from _choices(field, content=content)
    if cause.kind is Kind.MISSING_ROW:
        yield from _targets(cause, fields)
    if cause.kind is Kind.DUPLICATE:
        yield from _writers(cause)
    if service_identity:
        yield from _of_answers(cause, service_identity)


def _fields_of(cause: Cause) -> list[Field[Any, Any]]:
    model = model_of(cause.table)
    fields = () if model is None else model._meta.local_concrete_fields
    return [field for field in fields if field.column in cause.columns]


def _newest(model: type[Model]) -> QuerySet[Any]:
    return model._default_manager.order_by("-pk")


def _stored(field: Field[Any, Any]) -> str:
    newest = _newest(field.model)
    if isinstance(field, CharField | TextField):  # the database measures them: texts may be long
        return lengths(newest.values_list(Length(Cast(field.attname, TextField())), flat=True)[:NEWEST_ROWS])
    return shapes(newest.values_list(field.attname, flat=True)[:NEWEST_ROWS])


def _choices(field: Field[Any, Any], *, content: bool) -> Iterator[tuple[str, str]]:
    named = [str(value) for value, _ in field.flatchoices][:MOST_CHOICES]
    yield f"Choices of {field.column}", ", ".join(named)
    found = Counter(_newest(field.model).values_list(field.attname, flat=True)[:NEWEST_ROWS])
    total = sum(found.values())
    if not content:
        yield f"{field.column} in stored rows", f"{len(found)} different values in {total:,} rows"
    elif found:
        listed = ", ".join(f"{value or 'nothing'} ({count:,})" for value, count in found.most_common(MOST_CHOICES))
        yield f"{field.column} in stored rows", listed


def _targets(cause: Cause, fields: list[Field[Any, Any]]) -> Iterator[tuple[str, str]]:
    """The tables in which the row was looked for, and how many rows they have."""
    referred = [field.related_model for field in fields if isinstance(field, ForeignKey)]
    asked = model_of(cause.table) if not cause.columns else None
    for model in dict.fromkeys([*referred, *([asked] if asked else [])]):
        count = len(_newest(model).values_list("pk")[: MOST_COUNTED + 1])
        shown = f"{count:,}" if count <= MOST_COUNTED else f"more than {MOST_COUNTED:,}"
        yield f"Rows of {model._meta.db_table}", f"{shown} now, without the one that was looked for"


def _writers(cause: Cause) -> Iterator[tuple[str, str]]:
    """Whose results became rows of this table lately: perhaps another handler wrote the same."""
    model = model_of(cause.table)
    if model is None:
        return
    newest = PersistedObject.objects.order_by("-pk").values("pk")[:NEWEST_WRITES]
    written = PersistedObject.objects.filter(pk__in=newest, content_type=ContentType.objects.get_for_model(model))
    found = Counter(written.values_list("chunk__handler_identity", flat=True))
    if found:
        listed = ", ".join(f"{handler} ({count:,})" for handler, count in found.most_common(MOST_CHOICES))
        yield f"Rows of {cause.table} were written recently by", listed


def _of_answers(cause: Cause, service_identity: str) -> Iterator[tuple[str, str]]:
    """What the fields are like that the cause names, in answers that were persisted; a column counts as the field of
    its name, if answers have one."""
    if cause.kind is Kind.VALIDATION:
        paths = [fault.path for fault in cause.faults if "<key>" not in fault.path]
    elif cause.kind in OF_COLUMNS | {Kind.CHOICE}:
        paths = list(cause.columns)
    else:
        return
    persisted = answered_lately(service_identity).filter(domain_persist_state=PersistState.PERSISTED)
    for path, shape in shapes_of_results(persisted, paths).items():
        if cause.kind is Kind.VALIDATION or shape != NOTHING:
            yield f"{path} in persisted answers", shape
