"""The rows that a call touched, each as the parts of its result together left it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.contrib.contenttypes.models import ContentType

from orchestration.types import JsonObject
from orchestration.values.generic_refs import Reference
from persistence.models import ObjectAction, PersistedObject
from persistence.tracking.counters import is_counted
from persistence.tracking.snapshots import RowKey, same

Place = tuple[int | None, str]
"""The content type's id, and the key as text: which row."""


def key_of_row(row: PersistedObject) -> RowKey | None:
    """The row that an entry is about; None when its model or its kind of key is gone."""
    if row.content_type_id is None:
        return None
    named = Reference(ContentType.objects.get_for_id(row.content_type_id), row.object_id)
    key = named.key
    return (named.model, key) if named.model is not None and key is not None else None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row that a call touched, in whatever parts of its result."""

    kind: int | None
    """The content type's id."""
    object_id: str
    label: str
    target: RowKey | None
    action: str
    before: JsonObject
    """What was changed or deleted, as it was before; images."""
    digest: str
    """The row as the call left it; empty where nobody looked."""
    number: int
    """Of the last record of it: what is higher came later."""
    is_forgotten: bool
    """Whether what was before is no longer kept."""
    counted: JsonObject
    """Columns that the call counted on, as it left them."""

    @classmethod
    def of(cls, row: PersistedObject) -> Entry:
        changes, digest, action = row.changes or {}, row.row_digest, row.action
        is_update = action == ObjectAction.UPDATED
        return cls(
            kind=row.content_type_id,
            object_id=row.object_id,
            label=row.label,
            target=key_of_row(row),
            action=action,
            before={name: pair[0] for name, pair in changes.items()},
            digest=digest,
            number=row.pk,
            is_forgotten=row.changes is None and (action == ObjectAction.DELETED or bool(is_update and digest)),
            counted={name: pair[1] for name, pair in changes.items() if is_update and is_counted(pair)},
        )

    @property
    def place(self) -> Place:
        return self.kind, self.object_id

    @property
    def wrote(self) -> bool:
        """False for what was merely looked up, or linked."""
        return bool(self.digest) or self.action != ObjectAction.UPDATED

    def then(self, later: Entry) -> Entry:
        """What two parts, one after the other, did to a row."""
        if not later.wrote:
            return replace(self, number=later.number)
        action = later.action
        if self.action == ObjectAction.CREATED or later.action == ObjectAction.CREATED:
            action = ObjectAction.CREATED if self.action == ObjectAction.CREATED else ObjectAction.UPDATED
        forgotten = action != ObjectAction.CREATED and (self.is_forgotten or later.is_forgotten)
        before, counted = {**later.before, **self.before}, {**self.counted, **later.counted}
        return replace(later, action=action, before=before, is_forgotten=forgotten, counted=counted)

    def without_counters(self, now: JsonObject | None) -> Entry:
        """Without the counters on which others counted since: those stay. `now`: the row as it is."""
        gone_on = self.counted_since(now)
        before = {name: value for name, value in self.before.items() if name not in gone_on}
        return replace(self, before=before) if gone_on else self

    def counted_since(self, now: JsonObject | None) -> set[str]:
        """The columns that the call counted on, and that say something else by now."""
        if now is None or self.action != ObjectAction.UPDATED:
            return set()
        return {name for name, left in self.counted.items() if name in now and not same(now[name], left)}


def entries_of(rows: Iterable[PersistedObject]) -> list[Entry]:
    """The latest first."""
    entries: dict[Place, Entry] = {}
    for entry in map(Entry.of, sorted(rows, key=lambda row: row.pk)):
        place = entry.place
        entries[place] = entries[place].then(entry) if place in entries else entry
    return sorted(entries.values(), key=lambda entry: entry.number, reverse=True)
