"""Tying what was persisted to its chunk: the chunk's primary object, and a row for every object it touched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from orchestration.models.statements import Statement, run_together
from persistence.capture import RowChange
from persistence.errors import InvalidLink
from persistence.images import digest_of
from persistence.models import ObjectAction, ObjectRole, ObjectRow, PersistedChunk, PersistedObject
from persistence.recorder import INFRASTRUCTURE, Key, Recorder, key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What one `link()` said: the first object of the first link is the chunk's primary one."""

    objects: tuple[Model, ...]
    created: bool | None = None
    """None: as the recorder saw it."""


@dataclass(slots=True, kw_only=True)
class Touched:
    """The objects of one chunk: primary first, then linked, then returned, then merely saved; each once."""

    primary: Model | None = None
    objects: list[Model] = field(default_factory=list)
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
        total.actions += one.actions
        total.changes += one.changes
    return total


def make_link(objects: Iterable[object], *, created: bool | None) -> Link:
    """A Link of saved model instances; InvalidLink says which one is not."""
    checked = []
    for position, item in enumerate(objects):
        if not isinstance(item, Model):
            raise InvalidLink(f"link() got a {type(item).__name__} as object {position}: pass saved model instances.")
        if item.pk is None or item._state.adding:
            raise InvalidLink(f"link() got an unsaved {type(item).__name__} as object {position}: save it first.")
        checked.append(item)
    return Link(objects=tuple(checked), created=created)


def gather(
    chunk: PersistedChunk,
    links: Sequence[Link],
    returned: Sequence[Model],
    recorder: Recorder,
    changes: Sequence[RowChange] = (),
) -> Touched:
    """Everything that belongs to a chunk, in order.

    An object of which nobody saw a write (merely looked up, say) counts as updated, unless its link says otherwise:
    taking a found object for a created one would be the worse mistake.
    """
    linked = [item for link in links for item in link.objects]
    first = _named_by_chunk(chunk, [*linked, *returned, *recorder.objects()])
    named = [*([first] if first is not None else []), *linked, *returned]
    distinct: dict[Key, Model] = {}
    for item in (*named, *recorder.objects()):
        distinct.setdefault(key_of(item), item)
    said = {key_of(item): link.created for link in links for item in link.objects if link.created is not None}
    captured = {(change.model, change.key): change.action for change in changes}
    return Touched(
        primary=named[0] if named else None,
        objects=list(distinct.values()),
        actions=[_action(said.get(key), captured.get(key) or recorder.action(item)) for key, item in distinct.items()],
        changes=list(changes),
    )


def _action(said: bool | None, seen: ObjectAction | None) -> ObjectAction:
    if said is not None:
        return ObjectAction.CREATED if said else ObjectAction.UPDATED
    return seen or ObjectAction.UPDATED


def _named_by_chunk(chunk: PersistedChunk, known: Iterable[Model]) -> Model | None:
    """The object that `content_type` and `object_id` name: an earlier link, or a handler that set them itself."""
    if chunk.content_type_id is None or chunk.object_id is None:
        return None
    model = ContentType.objects.get_for_id(chunk.content_type_id).model_class()
    same = (item for item in known if item._meta.concrete_model is model and str(item.pk) == str(chunk.object_id))
    return next(same, None) or chunk.domain_object


def write(chunk: PersistedChunk, touched: Touched, *, is_new: bool) -> None:
    """Store the chunk's primary object and a row per object; rows that are there already stay as they are."""
    statements = writing(chunk, touched, is_new=is_new)
    if statements:
        run_together(statements)


def writing(chunk: PersistedChunk, touched: Touched, *, is_new: bool) -> list[Statement]:
    """The statements of `write`, each about rows of its own."""
    if touched.primary is not None:
        chunk.content_type = ContentType.objects.get_for_model(touched.primary)
        chunk.object_id = str(touched.primary.pk)
    tells = touched.primary is not None or chunk.summary is not None or not is_new
    closing = [PersistedChunk.objects.closing(chunk)] if tells else []
    return [*closing, *PersistedObject.objects.insertions(chunk, object_rows(touched))]


def object_rows(touched: Touched) -> list[ObjectRow]:
    """A row per object, in order, then one per row that was written without an instance, or deleted."""
    changes = {(change.model, change.key): change for change in touched.changes}
    rows = [
        _object_row(key_of(item), _role(item, touched.primary), action, changes.pop(key_of(item), None))
        for item, action in zip(touched.objects, touched.actions, strict=True)
    ]
    rest = [change for change in changes.values() if change.model._meta.app_label not in INFRASTRUCTURE]
    return rows + [_object_row((c.model, c.key), ObjectRole.RELATED.value, c.action, c) for c in rest]


def _object_row(key: Key, role: str, action: ObjectAction, change: RowChange | None) -> ObjectRow:
    kept = change is not None and change.action is not ObjectAction.CREATED
    return (
        ContentType.objects.get_for_model(key[0]).pk,
        str(key[1]),
        role,
        action.value,
        json.dumps(change.fields) if change is not None and kept else None,
        digest_of(change.after) if change is not None and change.after is not None else "",
    )


def _role(item: Model, primary: Model | None) -> str:
    return ObjectRole.PRIMARY.value if item is primary else ObjectRole.RELATED.value
