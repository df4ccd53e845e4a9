"""What happened to one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from orchestration.types import JsonObject
from orchestration.values.generic_refs import key_text
from persistence.models import ObjectAction
from persistence.tracking.snapshots import same


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row before and after; None where it was not there."""

    model: type[Model]
    key: Any
    before: JsonObject | None
    """Of a deleted row with its counters, which are otherwise not part of an image."""
    after: JsonObject | None
    counted: frozenset[str] = frozenset()
    """The columns that were counted on (`F("count") + 1`)."""

    @property
    def action(self) -> ObjectAction:
        if self.before is None:
            return ObjectAction.CREATED
        return ObjectAction.DELETED if self.after is None else ObjectAction.UPDATED

    @property
    def id(self) -> str:
        """The primary key as text."""
        return key_text(self.model, self.key)

    @property
    def label(self) -> str:
        """`message 12`."""
        return f"{self.model._meta.verbose_name} {self.id}"

    @property
    def fields(self) -> dict[str, list[Any]]:
        """`{column: [before, after]}` of what differs; of a deleted row all, empty columns too."""
        before, after = self.before or {}, self.after or {}
        names = dict.fromkeys([*before, *after])
        pairs = {name: [before.get(name), after.get(name)] for name in names}
        return {name: pair for name, pair in pairs.items() if self.after is None or not same(*pair)}
