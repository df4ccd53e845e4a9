"""Counters: columns whose values others build on, so that no revert moves them back.

Declared ones (`CounterField`, or `monotonic_fields` of a model) are not part of a row's image: not compared, not shown
and not restored. Others are found by how they are written: what an UPDATE adds to, or takes from, the column's own
value (`F("count") + 1`) is counted, whatever else the handler does to the row.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from django.db import models
from django.db.models import Field, GeneratedField, Model
from django.db.models.expressions import Col, Combinable, CombinedExpression

from orchestration.types import JsonObject
from persistence.models.fields import CounterField

COUNTED = "counted"
"""Stands third beside what a column was before and after."""
STEPS = frozenset({Combinable.ADD, Combinable.SUB})


@cache
def declared(model: type[Model]) -> tuple[Field[Any, Any], ...]:
    """The columns of a model's own table that are declared as counters."""
    names = frozenset(getattr(model, "monotonic_fields", ()))
    return tuple(
        field
        for field in model._meta.local_concrete_fields
        if isinstance(field, CounterField) or (field.name in names and not field.primary_key)
    )


@cache
def watched(model: type[Model]) -> tuple[Field[Any, Any], ...]:
    """The other stored columns; what the database computes is left out."""
    counters = declared(model)
    return tuple(
        field
        for field in model._meta.local_concrete_fields
        if not isinstance(field, GeneratedField) and field not in counters
    )


def counted_by(assigned: Iterable[tuple[Any, Any, Any]]) -> frozenset[str]:
    """The columns among these of an UPDATE, (field, model, expression or value), that it counts on."""
    return frozenset(field.attname for field, _, value in assigned if _is_step(field, value))


def _is_step(field: Any, value: Any) -> bool:
    if not isinstance(value, models.expressions.BaseExpression):
        return False
    return any(
        isinstance(part, CombinedExpression)
        and part.connector in STEPS
        and any(isinstance(side, Col) and side.target == field for side in (part.lhs, part.rhs))
        for part in value.flatten()
    )


def stored(fields: dict[str, list[Any]], counted: frozenset[str]) -> JsonObject:
    """`{column: [before, after]}` as it is kept, with a mark at what was counted."""
    return {name: [*pair, COUNTED] if name in counted else pair for name, pair in fields.items()}


def is_counted(pair: list[Any]) -> bool:
    """Whether a kept pair bears the mark."""
    return COUNTED in pair[2:]
