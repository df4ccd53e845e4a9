"""Reverting what a call persisted: created rows are removed, changed and deleted ones put back as they were.

Counters (`persistence/tracking/counters.py`) stay where they are: what came later was numbered by them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DataError, IntegrityError, transaction
from django.db.models import ForeignKey, GeneratedField, Model, ProtectedError, QuerySet, RestrictedError
from django.db.models.deletion import Collector

from orchestration.log import is_postgres_error
from orchestration.models.format_version import refuse_newer
from orchestration.types import JsonObject
from orchestration.values.generic_refs import key_text
from persistence.errors import ReprocessRefused
from persistence.maintenance.retention import KINDS
from persistence.models import ObjectAction, PersistedChunk, PersistedObject
from persistence.reprocessing.dangling_references import left_hanging
from persistence.reprocessing.touched_rows import Entry, Place, entries_of
from persistence.reprocessing.withdrawal import Withdrawal, withdrawal_of
from persistence.tracking.counters import declared, is_counted
from persistence.tracking.orm_capture import capturing
from persistence.tracking.row_changes import RowChange
from persistence.tracking.snapshots import RowKey, digest_of, python_values, read_images, same

MAX_REASONS = 10
IN_THE_WAY = (IntegrityError, DataError)
Present = Sequence[tuple[Entry, JsonObject | None]]
"""Entries, each with the row as it is now; None where it is not there."""
HANGS_ON_IT = (ProtectedError, RestrictedError, IntegrityError)


@dataclass(slots=True, kw_only=True)
class Reverted:
    """What a revert did."""

    changes: list[RowChange]
    contradicted: list[str] = field(default_factory=list)
    """What it did against, where it was forced: what would have been refused."""
    kept: list[str] = field(default_factory=list)
    """The counters that stay where they are, and rows that others follow."""
    counted_since: list[str] = field(default_factory=list)
    """Those of them that are not declared: the call counted on them, and others did since."""


def revert_chunks(chunks: Sequence[PersistedChunk], *, force: bool, withdraw: bool = False) -> Reverted:
    """Undo what these chunks did to rows; `withdraw` leaves rows in their places that others follow (`withdraws`).

    Raises ReprocessRefused with every reason when something cannot be undone, when a later change touched the same
    rows, or when rows that the call did not make would go along; `force` undoes all the same, and tells those reasons.
    What the database refuses is refused in either case.
    """
    for chunk in chunks:
        refuse_newer(chunk)
    entries = entries_of(PersistedObject.objects.filter(chunk__in=chunks).select_related("content_type"))
    present = _present(entries)
    against = [*_out_of_sight(chunks), *_out_of_reach(entries), *later_changes(present, chunks)]
    if not force:
        _refuse(against)
    entries = [entry.without_counters(now) for entry, now in present]
    with capturing() as capture:
        _revert_all(entries, withdraw=withdraw)
    changes = capture.changes()
    _refuse(list(left_hanging(changes, checked=force)))
    if force:
        against += left_hanging(changes, checked=False)
    against += [*_collateral(entries, changes), *_not_restored(entries)]
    if not force:
        _refuse(against)
    counted = [_keeps(entry, names) for entry, now in present if (names := entry.counted_since(now))]
    return Reverted(
        changes=changes,
        contradicted=list(dict.fromkeys(against)),
        kept=[*counted, *_declared_counters(present), *_withdrawn(entries, changes)],
        counted_since=counted,
    )


def files_of(chunks: Iterable[PersistedChunk]) -> list[str]:
    """What these chunks have saved in storages; it stays: other rows may name a file, and no deletion can be undone."""
    return [name for chunk in chunks for name in chunk.files or {}]


def _refuse(reasons: Sequence[str]) -> None:
    if reasons:
        raise ReprocessRefused(shortened(reasons))


# --- what speaks against it -----------------------------------------------------------------


def _out_of_sight(chunks: Iterable[PersistedChunk]) -> Iterable[str]:
    """What was written when nobody saw which rows it touched."""
    for chunk in chunks:
        whose = f"Part {chunk.part} of its result" if chunk.part else "Its result"
        if chunk.unseen:
            statements = ", ".join(chunk.unseen[:MAX_REASONS])
            yield f"{whose} was persisted with statements that cannot be undone ({statements}): undo those by hand."
        if not chunk.handler_fingerprint:
            yield f"{whose} was persisted outside the drain: only rows that were linked as created can be removed."


def _out_of_reach(entries: Iterable[Entry]) -> Iterable[str]:
    for entry in entries:
        if entry.target is None:
            yield f"{entry.label} cannot be undone: its model, or its kind of key, no longer exists."
        elif entry.is_forgotten:
            yield f"{entry.label} cannot be put back: what it was before was purged or erased."


def _declared_counters(present: Present) -> Iterator[str]:
    for entry, now in present:
        if now is not None and entry.target is not None and entry.action == ObjectAction.UPDATED:
            names = {column.attname for column in declared(entry.target[0])}
            if names:
                yield _keeps(entry, names)


def _withdrawn(entries: Iterable[Entry], changes: Iterable[RowChange]) -> Iterator[str]:
    made = {entry.target for entry in entries if entry.action == ObjectAction.CREATED}
    for change in changes:
        if change.action is ObjectAction.UPDATED and (change.model, change.key) in made:
            yield f"{change.label} is withdrawn in its place ({', '.join(change.fields)}): others follow it."


def _keeps(entry: Entry, names: Collection[str]) -> str:
    return f"{entry.label} keeps {', '.join(sorted(names))}: others counted on from there."


def later_changes(present: Present, chunks: Sequence[PersistedChunk]) -> Iterator[str]:
    """Why what these chunks did to rows, which are now as given, cannot be undone without losing what happened since.
    What later calls merely counted on is not lost."""
    entries = [entry for entry, _ in present]
    later = _written_later(entries, chunks)
    for entry in entries:
        for other in later.get(entry.place, ()):
            if not (entry.action == ObjectAction.UPDATED and _only_counted(other)):
                yield f"{entry.label} was touched later by call {other.chunk.call_id}."
    for entry, now in present:
        if now is None and entry.action == ObjectAction.UPDATED and entry.before:
            yield f"{entry.label} was changed since: it was removed."
        elif now is not None and entry.action == ObjectAction.DELETED:
            yield f"{entry.label} was changed since: it was created again."
        elif now is not None and entry.digest and digest_of(_as_left(now, later.get(entry.place, ()))) != entry.digest:
            how = ": its content was purged or erased" if _is_emptied(entry, now) else " by something else"
            yield f"{entry.label} was changed since{how}."


def _is_emptied(entry: Entry, now: JsonObject) -> bool:
    """Whether an app's content of a row is gone, by its age or with its subject; what else changed cannot be told."""
    kinds = [kind for kind in KINDS.values() if entry.target is not None and kind.model is entry.target[0]]
    return any(kind.empty and all(same(now.get(name), gone) for name, gone in kind.empty.items()) for kind in kinds)


def _as_left(now: JsonObject, later: Iterable[PersistedObject]) -> JsonObject:
    """A row as it was before later calls counted on it."""
    counted: JsonObject = {}
    for other in later if now else ():
        for name, pair in (other.changes or {}).items():
            if is_counted(pair):
                counted.setdefault(name, pair[0])
    return {**now, **{name: value for name, value in counted.items() if name in now}}


def _only_counted(row: PersistedObject) -> bool:
    return bool(row.action == ObjectAction.UPDATED and row.changes and all(map(is_counted, row.changes.values())))


def _written_later(entries: Sequence[Entry], chunks: Sequence[PersistedChunk]) -> dict[Place, list[PersistedObject]]:
    """What other calls did to the same rows after these entries, oldest first."""
    by_kind: dict[int, dict[str, Entry]] = {}
    for entry in entries:
        if entry.kind is not None:
            by_kind.setdefault(entry.kind, {})[entry.object_id] = entry
    found: dict[Place, list[PersistedObject]] = {}
    for kind, known in by_kind.items():
        others = PersistedObject.objects.filter(content_type_id=kind, object_id__in=list(known)).exclude(
            chunk__in=chunks
        )
        for other in others.select_related("chunk").order_by("pk"):
            wrote = other.row_digest or other.action != ObjectAction.UPDATED
            if other.pk > known[other.object_id].number and wrote:
                found.setdefault((kind, other.object_id), []).append(other)
    return found


def _present(entries: Sequence[Entry]) -> Present:
    by_model: dict[type[Model], list[object]] = {}
    for entry in entries:
        if entry.target is not None:
            by_model.setdefault(entry.target[0], []).append(entry.target[1])
    found: dict[RowKey, JsonObject] = {}
    for model, wanted in by_model.items():
        found |= read_images(model, wanted)
    return [(entry, found.get(entry.target) if entry.target is not None else None) for entry in entries]


def _collateral(entries: Sequence[Entry], changes: Iterable[RowChange]) -> list[str]:
    own = {entry.target for entry in entries}
    return [
        f"{change.label}, which the call did not make, would be {change.action}."
        for change in changes
        if (change.model, change.key) not in own and not _is_parent_of(change, own)
    ]


def _is_parent_of(change: RowChange, own: set[RowKey | None]) -> bool:
    """With inheritance over tables, the parent's row is the same object."""
    return any(key is not None and issubclass(key[0], change.model) and key[1] == change.key for key in own)


def _not_restored(entries: Sequence[Entry]) -> list[str]:
    """What is not as it was, although it was put back: a trigger of the database wrote something else, say."""
    stuck = [entry for entry, now in _present(entries) if not _is_back(entry, now)]
    return [f"{entry.label} would not become what it was before." for entry in stuck]


def _is_back(entry: Entry, now: JsonObject | None) -> bool:
    if entry.action == ObjectAction.CREATED:
        instead = withdrawal_of(entry.target[0]) if entry.target is not None else None
        return now is None or (instead is not None and instead.holds_for(now))
    if not entry.before:
        return True
    return now is not None and all(same(now[name], value) for name, value in entry.before.items() if name in now)


def shortened(reasons: Sequence[str]) -> list[str]:
    """The first MAX_REASONS, and how many more there are."""
    rest = len(reasons) - MAX_REASONS
    return list(reasons) if rest <= 0 else [*reasons[:MAX_REASONS], f"And {rest} more."]


# --- reverting --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Step:
    """Undoing one entry."""

    entry: Entry
    model: type[Model]
    key: Any
    instead: Withdrawal | None = None
    """Of removing it, while others follow it."""

    @property
    def found(self) -> QuerySet[Any]:
        """Whatever a router says."""
        return QuerySet(self.model, using=DEFAULT_DB_ALIAS).filter(pk=self.key)

    @property
    def before(self) -> JsonObject:
        return python_values(self.model, self.entry.before)

    def put_back(self) -> None:
        """An updated or a deleted row; an updated one that is not there is not made up."""
        kept = {column.attname for column in (*self.model._meta.pk_fields, *declared(self.model))}
        found = self.found.update(**{name: value for name, value in self.before.items() if name not in kept})
        if not found and self.entry.action == ObjectAction.DELETED and not self.found.exists():
            self.insert({})

    def remove(self) -> None:
        """Whatever the model's own `delete` would do instead. Rows of the tables that it inherits from have entries of
        their own where rows were watched: such a row may have been there before."""
        if self.instead is not None and any(map(self.instead.is_followed, self.found)):
            self.found.update(**self.instead.values)
            return
        deletion = Collector(using=DEFAULT_DB_ALIAS)
        deletion.collect(self.found, keep_parents=bool(self.entry.digest))
        deletion.delete()

    def clear_references_to(self, keys: Collection[RowKey]) -> None:
        """Set the foreign keys that refer to one of these rows to NULL, where they may be."""
        for column in self.model._meta.local_concrete_fields:
            if isinstance(column, ForeignKey) and column.null:
                target: Any = column.related_model._meta.concrete_model
                others = [key for model, key in keys if model is target]
                self.found.filter(**{f"{column.name}__pk__in": others}).update(**{column.name: None})

    def take_out(self) -> JsonObject:
        """Delete the row and nothing else, until it is inserted again; returns all its columns."""
        columns = [f for f in self.model._meta.local_concrete_fields if not isinstance(f, GeneratedField)]
        values: JsonObject = self.found.values(*(column.attname for column in columns)).get()
        self.found._raw_delete(DEFAULT_DB_ALIAS)
        return values

    def insert(self, values: JsonObject) -> None:
        self.model(**{**values, **self.before}).save_base(raw=True, force_insert=True, using=DEFAULT_DB_ALIAS)


Waiting = list[tuple[_Step, Exception]]


def _revert_all(entries: Sequence[Entry], *, withdraw: bool) -> None:
    """Updated rows first: then nothing of the call's own hangs on what is removed after that. Last come the rows that
    were deleted, and those whose values (of a unique column, say) others had until then: two rows that change places
    have no order in which each could be updated, so they are deleted and inserted again. Nothing hangs on a foreign
    key meanwhile: those are checked at the commit."""
    targets = [(entry, *entry.target) for entry in entries if entry.target is not None]
    steps = [_Step(entry, model, key, withdrawal_of(model) if withdraw else None) for entry, model, key in targets]
    made = [step for step in steps if step.entry.action == ObjectAction.CREATED]
    changed = [step for step in steps if step.entry.action == ObjectAction.UPDATED and step.entry.before]
    gone = [step for step in steps if step.entry.action == ObjectAction.DELETED and step.entry.before]
    aside = [(step, step.take_out()) for step, _ in _in_turns(changed, _Step.put_back, IN_THE_WAY)]
    stuck = _in_turns(made, _Step.remove, HANGS_ON_IT)
    if stuck:  # in a circle, say
        in_the_way = {(step.model, step.key) for step, _ in stuck}
        _in_turns(made, lambda step: step.clear_references_to(in_the_way), IN_THE_WAY)
        stuck = _in_turns([step for step, _ in stuck], _Step.remove, HANGS_ON_IT)
    if stuck:
        _refuse([_why_not_removed(step.entry, error) for step, error in stuck])
    for step, values in aside:
        _insist(step, partial(step.insert, values))
    for step in gone:
        _insist(step, step.put_back)


def _in_turns(steps: list[_Step], take: Callable[[_Step], None], errors: tuple[type[Exception], ...]) -> Waiting:
    """Take a step with each, forwards and then backwards, for one may clear the way of another; returns those that
    still cannot, and why."""
    try:
        with transaction.atomic():
            for step in steps:
                take(step)
        return []
    except errors:
        waiting: Waiting = []
    for turn in ("forwards", "backwards"):
        some, waiting = steps if turn == "forwards" else [step for step, _ in reversed(waiting)], []
        for step in some:
            try:
                with transaction.atomic():
                    take(step)
            except errors as error:
                waiting.append((step, error))
    return waiting


def _insist(step: _Step, take: Callable[[], None]) -> None:
    try:
        with transaction.atomic():
            take()
    except IN_THE_WAY as error:
        raise ReprocessRefused([f"{step.entry.label} cannot be put back as it was: {_constraint(error)}."]) from error


def _constraint(error: BaseException) -> str:
    """What the database says is in the way, without values."""
    constraint = error.__cause__.diag.constraint_name if is_postgres_error(error.__cause__) else None
    return f"the constraint {constraint} forbids it" if constraint else f"{type(error).__name__}" + _of_sqlite(error)


def _of_sqlite(error: BaseException) -> str:
    """`: UNIQUE constraint failed: table.column` names no values."""
    text = str(error)
    return f", {text}" if " constraint failed" in text and "\n" not in text else ""


def _why_not_removed(entry: Entry, error: Exception) -> str:
    if isinstance(error, ProtectedError | RestrictedError):
        return f"Other rows need what would be removed, {entry.label}: {_named(error)}."
    return f"{entry.label} cannot be removed: {_constraint(error)}."


def _named(error: ProtectedError | RestrictedError) -> str:
    objects = error.protected_objects if isinstance(error, ProtectedError) else error.restricted_objects
    names = sorted({f"{item._meta.verbose_name} {key_text(type(item), item.pk)}" for item in objects})
    rest = len(names) - MAX_REASONS
    return ", ".join(names[:MAX_REASONS]) + (f" and {rest} more" if rest > 0 else "")
