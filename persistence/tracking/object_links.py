"""Linking a chunk to its primary object, and to every object that it touched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from orchestration.models.prepared_sql import Statement, run_together
from orchestration.values.generic_refs import has_key, text_of_normal, why_not_stored
from persistence.errors import InvalidLink, KeyTooLong
from persistence.models import ObjectAction, ObjectRole, PersistedChunk, PersistedObject
from persistence.models.chunks import MAX_KEY, ObjectRow
from persistence.tracking.counters import stored
from persistence.tracking.recorder import INFRASTRUCTURE, Key, Recorder, key_of
from persistence.tracking.row_changes import RowChange
from persistence.tracking.snapshots import digest_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What one `link()` declared: the first object of the first link is the chunk's primary one."""

    objects: tuple[Model, ...]
    created: bool | None = None
    """None: as it was seen."""


@dataclass(slots=True, kw_only=True)
class Touched:
    """The objects of one chunk: primary first, then linked, then returned, then merely saved; each once."""

    primary: Model | None = None
    objects: list[Model] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    """Of the objects."""
    actions: list[ObjectAction] = field(default_factory=list)
    changes: list[RowChange] = field(default_factory=list)
    """What happened to rows, those of `objects` and others, deleted ones too."""

    @property
    def created_primary(self) -> Model | None:
        """The primary object, if this run created it."""
        return self.primary if self.primary is not None and self.actions[0] is ObjectAction.CREATED else None


def merged(several: Iterable[Touched]) -> Touched:
    """The objects of several chunks as one list; the first primary object is the primary one."""
    total = Touched()
    for one in several:
        total.primary = total.primary or one.primary
        total.objects += one.objects
        total.keys += one.keys
        total.actions += one.actions
        total.changes += one.changes
    return total


def make_link(objects: Iterable[object], *, created: bool | None) -> Link:
    """A Link of saved model instances; InvalidLink says which one is not."""
    checked = []
    for position, item in enumerate(objects):
        if not isinstance(item, Model):
            raise InvalidLink(f"link() got a {type(item).__name__} as object {position}: pass saved model instances.")
        if item._state.adding or not has_key(item):
            raise InvalidLink(f"link() got an unsaved {type(item).__name__} as object {position}: save it first.")
        why = why_not_stored(item)
        if why:
            raise InvalidLink(f"link() got a {type(item).__name__} as object {position} that {why}.")
        checked.append(item)
    return Link(objects=tuple(checked), created=created)


def gather(
    chunk: PersistedChunk,
    links: Sequence[Link],
    returned: Sequence[Model],
    recorder: Recorder,
    changes: Sequence[RowChange] = (),
    is_gone: Callable[[Model], bool] = lambda _: False,
) -> Touched:
    """Everything that belongs to a chunk, in order.

    An object of which nobody saw a write (merely looked up, say) counts as updated, unless its link says otherwise:
    taking a found object for a created one would be the worse mistake. InvalidLink when an object was linked or
    returned that `is_gone` by now, or that is in another database.
    """
    linked = [item for link in links for item in link.objects]
    saved = [item for item in recorder.objects() if not is_gone(item)]
    first = _named_by_chunk(chunk, [*linked, *returned, *saved])
    named = [*([first] if first is not None else []), *linked, *returned]
    _check_still_there(named, is_gone)
    distinct: dict[Key, Model] = {}
    for item in (*named, *saved):
        distinct.setdefault(key_of(item), item)
    declared = {key_of(item): link.created for link in links for item in link.objects if link.created is not None}
    captured = {(change.model, change.key): change.action for change in changes}
    return Touched(
        primary=named[0] if named else None,
        objects=list(distinct.values()),
        keys=list(distinct),
        actions=[_action(declared.get(key), captured.get(key)) for key in distinct],
        changes=list(changes),
    )


def _check_still_there(objects: Iterable[Model], is_gone: Callable[[Model], bool]) -> None:
    for item in objects:
        why = why_not_stored(item)
        if not why and is_gone(item):
            why = "no longer exists: it was deleted, or rolled back with a savepoint"
        if why:
            raise InvalidLink(f"A {type(item).__name__} was linked or returned that {why}.")


def _action(created: bool | None, captured: ObjectAction | None) -> ObjectAction:
    if created is not None:
        return ObjectAction.CREATED if created else ObjectAction.UPDATED
    return captured or ObjectAction.UPDATED


def _named_by_chunk(chunk: PersistedChunk, known: Iterable[Model]) -> Model | None:
    """The object that `content_type` and `object_id` name: an earlier link, or a handler that set them itself."""
    if chunk.content_type_id is None or chunk.object_id is None:
        return None
    model = ContentType.objects.get_for_id(chunk.content_type_id).model_class()
    same = (item for item in known if item._meta.concrete_model is model and _text_of(key_of(item)) == chunk.object_id)
    return next(same, None) or chunk.domain_object


def write(chunk: PersistedChunk, touched: Touched, *, is_new: bool) -> None:
    """Store the chunk's primary object and a row per object; rows that are there already stay as they are."""
    statements = writing(chunk, touched, is_new=is_new)
    if statements:
        run_together(statements)


def writing(chunk: PersistedChunk, touched: Touched, *, is_new: bool) -> list[Statement]:
    """The statements of `write`, each about rows of its own."""
    name_primary(chunk, touched)
    tells = touched.primary is not None or chunk.summary is not None or not is_new
    tells = tells or chunk.unseen is not None or chunk.files is not None
    closing = [PersistedChunk.objects.closing(chunk)] if tells else []
    return [*closing, *PersistedObject.objects.insertions(chunk, object_rows(touched))]


def name_primary(chunk: PersistedChunk, touched: Touched) -> None:
    if touched.primary is not None:
        chunk.content_type = ContentType.objects.get_for_model(touched.primary)
        chunk.object_id = _text_of(touched.keys[0])


def object_rows(touched: Touched) -> list[ObjectRow]:
    """A row per object, in order, then one per row that was written without an instance, or deleted."""
    changes = {(change.model, change.key): change for change in touched.changes}
    rows = [
        _object_row(key, _role(item, touched.primary), action, changes.pop(key, None))
        for key, item, action in zip(touched.keys, touched.objects, touched.actions, strict=True)
    ]
    rest = [change for change in changes.values() if change.model._meta.app_label not in INFRASTRUCTURE]
    return rows + [_object_row((c.model, c.key), ObjectRole.RELATED.value, c.action, c) for c in rest]


def _object_row(key: Key, role: str, action: ObjectAction, change: RowChange | None) -> ObjectRow:
    kept = change is not None and change.action is not ObjectAction.CREATED
    return (
        ContentType.objects.get_for_model(key[0]).pk,
        _text_of(key),
        role,
        action.value,
        json.dumps(stored(change.fields, change.counted)) if change is not None and kept else None,
        digest_of(change.after) if change is not None and change.after is not None else "",
    )


def _text_of(key: Key) -> str:
    """The key as it is stored; KeyTooLong when it does not fit."""
    text = text_of_normal(*key)
    if len(text) > MAX_KEY:
        raise KeyTooLong(f"A {key[0].__name__} has a primary key of {len(text)} characters as text; {MAX_KEY} fit.")
    return text


def _role(item: Model, primary: Model | None) -> str:
    return ObjectRole.PRIMARY.value if item is primary else ObjectRole.RELATED.value
