"""Finds rows that a revert would leave referring to a missing row, where Django's deletion does not look: foreign
keys with DO_NOTHING, restored rows whose target was deleted since, and generic foreign keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS
from django.db.models import DO_NOTHING, Field, ForeignKey, ManyToOneRel, Model, QuerySet

from orchestration.values.generic_refs import key_text
from persistence.models import ObjectAction
from persistence.tracking.recorder import INFRASTRUCTURE
from persistence.tracking.row_changes import RowChange

Rows = dict[type[Model], list[RowChange]]


def left_hanging(changes: Iterable[RowChange], *, checked: bool) -> Iterator[str]:
    """What would be wrong after these changes, as sentences; `checked`: only what the database itself would refuse."""
    removed, restored = Rows(), Rows()
    for change in changes:
        rows = removed if change.action is ObjectAction.DELETED else restored
        rows.setdefault(change.model, []).append(change)
    for model, gone in removed.items():
        yield from _by_foreign_keys(model, gone, checked)
        if not checked:
            yield from _by_generic_keys(model, gone)
    for model, back in restored.items():
        yield from _without_target(model, back, checked)


def _by_foreign_keys(model: type[Model], gone: Sequence[RowChange], checked: bool) -> Iterator[str]:
    for relation in model._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ManyToOneRel) or relation.on_delete is not DO_NOTHING:
            continue
        field: Any = relation.field
        if _is_checked(field) or not checked:
            column = field.target_field.attname
            keys = [change.before[column] for change in gone if change.before and column in change.before]
            yield from _named(_rows(field.model).filter(**{f"{field.attname}__in": keys}), gone)


def _by_generic_keys(model: type[Model], gone: Sequence[RowChange]) -> Iterator[str]:
    for other in apps.get_models():
        for field in other._meta.private_fields:
            if not isinstance(field, GenericForeignKey) or other._meta.app_label in INFRASTRUCTURE:
                continue
            kind = ContentType.objects.get_for_model(model, for_concrete_model=field.for_concrete_model)
            keys = list(_as_stored(other._meta.get_field(field.fk_field), gone))
            yield from _named(_rows(other).filter(**{field.ct_field: kind, f"{field.fk_field}__in": keys}), gone)


def _as_stored(column: Any, gone: Iterable[RowChange]) -> Iterator[Any]:
    """Keys as a generic foreign key's column holds them; what it cannot hold, it does not."""
    for change in gone:
        try:
            yield column.to_python(change.id)
        except ValidationError:
            continue


def _without_target(model: type[Model], back: Sequence[RowChange], checked: bool) -> Iterator[str]:
    for field in model._meta.local_concrete_fields:
        if not isinstance(field, ForeignKey) or (checked and not _is_checked(field)):
            continue
        pointing = [c for c in back if field.attname in c.fields and c.after and c.after[field.attname] is not None]
        if not pointing:
            continue
        target: Any = field.target_field
        keys = {change.after[field.attname] for change in pointing if change.after}
        there = _rows(target.model).filter(**{f"{target.attname}__in": keys}).values_list(target.attname, flat=True)
        known = {str(key) for key in there}
        for change in pointing:
            if change.after and str(change.after[field.attname]) not in known:
                yield f"{change.label} would refer to a {target.model._meta.verbose_name} that no longer exists."


def _is_checked(field: Field[Any, Any]) -> bool:
    """Whether the database has a constraint for a foreign key."""
    return bool(vars(field)["db_constraint"])


def _rows(model: type[Model]) -> QuerySet[Any]:
    return QuerySet(model, using=DEFAULT_DB_ALIAS)


def _named(rows: QuerySet[Any], gone: Sequence[RowChange]) -> Iterator[str]:
    what = gone[0].label if len(gone) == 1 else f"{gone[0].model._meta.verbose_name} rows"
    for row in rows:
        yield f"Other rows need what would be removed, {what}: {row._meta.verbose_name} {key_text(type(row), row.pk)}."
