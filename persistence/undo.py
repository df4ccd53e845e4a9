"""Taking back what a call persisted: created rows are removed, changed and deleted ones put back as they were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db.models import Model, ProtectedError, RestrictedError

from persistence.capture import RowChange, capturing
from persistence.errors import ReplayRefused
from persistence.images import RowKey, digest_of, python_values, read_images
from persistence.models import ObjectAction, PersistedObject

MAX_REASONS = 10


def key_of_row(row: PersistedObject) -> RowKey | None:
    """The row that an entry is about; None when its model or its kind of key is gone."""
    if row.content_type_id is None:
        return None
    model = ContentType.objects.get_for_id(row.content_type_id).model_class()
    if model is None:
        return None
    try:
        return model, model._meta.pk.to_python(row.object_id)
    except ValidationError:
        return None


def undo(rows: Sequence[PersistedObject], *, force: bool) -> list[RowChange]:
    """Undo entries, the latest first; returns what that changed.

    Raises ReplayRefused with every reason when a later change touched the same rows, or when rows that the call did
    not make would go along; `force` undoes all the same. What the database protects is refused in either case.
    """
    reasons = [] if force else later_changes(rows)
    if reasons:
        raise ReplayRefused(reasons)
    with capturing() as capture:
        try:
            for row in sorted(rows, key=lambda row: row.pk, reverse=True):
                _undo_one(row)
        except (ProtectedError, RestrictedError) as error:
            raise ReplayRefused([f"Other rows need what would be removed: {_named(error)}."]) from error
    changes = capture.changes()
    reasons = [] if force else _collateral(rows, changes)
    if reasons:
        raise ReplayRefused(reasons)
    return changes


def later_changes(rows: Sequence[PersistedObject]) -> list[str]:
    """Why these entries cannot be undone without losing what happened since."""
    present = _present(rows)
    return _shortened(
        [
            *_later_calls(rows),
            *(
                f"{row.label} was changed since by something else."
                for row, now in present
                if row.row_digest and now is not None and digest_of(now) != row.row_digest
            ),
            *(
                f"{row.label} was changed since: it was removed."
                for row, now in present
                if row.action == ObjectAction.UPDATED and row.changes and now is None
            ),
        ]
    )


def _later_calls(rows: Sequence[PersistedObject]) -> Iterable[str]:
    by_kind: dict[int, dict[str, PersistedObject]] = {}
    for row in rows:
        if row.content_type_id is not None:
            by_kind.setdefault(row.content_type_id, {})[row.object_id] = row
    own = {row.chunk_id for row in rows}
    for kind, known in by_kind.items():
        others = PersistedObject.objects.filter(content_type_id=kind, object_id__in=list(known)).exclude(
            chunk_id__in=own
        )
        for other in others.select_related("chunk").order_by("pk"):
            row = known[other.object_id]
            wrote = other.row_digest or other.action != ObjectAction.UPDATED
            if other.pk > row.pk and wrote:
                yield f"{row.label} was touched later by call {other.chunk.call_id}."


def _present(rows: Sequence[PersistedObject]) -> list[tuple[PersistedObject, dict[str, object] | None]]:
    keys = {row.pk: key_of_row(row) for row in rows}
    by_model: dict[type[Model], list[object]] = {}
    for key in keys.values():
        if key is not None:
            by_model.setdefault(key[0], []).append(key[1])
    found: dict[RowKey, dict[str, object]] = {}
    for model, wanted in by_model.items():
        found |= read_images(model, wanted)
    pairs = []
    for row in rows:
        key = keys[row.pk]
        pairs.append((row, found.get(key) if key is not None else None))
    return pairs


def _undo_one(row: PersistedObject) -> None:
    key = key_of_row(row)
    if key is None:
        return
    model, pk = key
    found = model._base_manager.filter(pk=pk)
    if row.action == ObjectAction.CREATED:
        made = found.first()
        if made is not None:
            made.delete()
    elif row.changes:
        before = python_values(model, {name: values[0] for name, values in row.changes.items()})
        if row.action == ObjectAction.UPDATED:
            found.update(**before)
        elif not found.exists():
            model(**before).save_base(raw=True, force_insert=True)


def _collateral(rows: Sequence[PersistedObject], changes: Iterable[RowChange]) -> list[str]:
    own = {key_of_row(row) for row in rows}
    return _shortened(
        [
            f"{change.model._meta.verbose_name} {change.key}, which the call did not make, would be {change.action}."
            for change in changes
            if (change.model, change.key) not in own and not _is_parent_of(change, own)
        ]
    )


def _is_parent_of(change: RowChange, own: set[RowKey | None]) -> bool:
    """With inheritance over tables, the parent's row is the same object."""
    return any(key is not None and issubclass(key[0], change.model) and key[1] == change.key for key in own)


def _shortened(reasons: list[str]) -> list[str]:
    rest = len(reasons) - MAX_REASONS
    return reasons if rest <= 0 else [*reasons[:MAX_REASONS], f"And {rest} more."]


def _named(error: ProtectedError | RestrictedError) -> str:
    objects = error.protected_objects if isinstance(error, ProtectedError) else error.restricted_objects
    return ", ".join(sorted({f"{item._meta.verbose_name} {item.pk}" for item in objects})[:MAX_REASONS])
