"""The rows that a held result would write, from what is stored with it: old beside new, with links to the objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html

from orchestration.theme.reach import url_of
from orchestration.types import JsonObject
from orchestration.values.generic_refs import Reference
from orchestration.values.sanitize import legible
from persistence.admin.dry_run import COLOURS
from persistence.models import ObjectAction

MOST_ROWS = 200
LONGEST_VALUE = 2000


@dataclass(frozen=True)
class ShownRows:
    """What a dry run found, for a page."""

    shown: JsonObject
    content: bool
    request: HttpRequest | None = None
    """Of whoever looks: only objects that they may open are links."""

    @property
    def parts(self) -> list[tuple[str, list[JsonObject]]]:
        """(title of the part, its rows as changes.html shows them)."""
        found, left = [], MOST_ROWS
        for title, changes in self._all():
            found.append((title, [self._row(change) for change in changes[:left]]))
            left = max(0, left - len(changes))
        return found

    def _all(self) -> Iterator[tuple[str, list[JsonObject]]]:
        for part in self.shown.get("parts", ()):
            if part["changes"]:
                yield f"Part {part['part']}" if part["part"] else "", part["changes"]
        if self.shown.get("other"):
            yield "Outside the handler's own rows", self.shown["other"]

    @property
    def more(self) -> int:
        """Rows that are not shown."""
        return max(0, sum(len(changes) for _, changes in self._all()) - MOST_ROWS)

    @property
    def counts(self) -> list[tuple[str, int]]:
        return sorted(self.shown.get("counts", {}).items())

    @property
    def unseen(self) -> list[str]:
        return list(self.shown.get("unseen", ()))

    @property
    def files(self) -> list[str]:
        return list(self.shown.get("files", ()))

    @cached_property
    def created(self) -> set[tuple[str, str]]:
        """(model, key) of what would be new: nothing to link to yet."""
        return {
            (change["model"], change["id"])
            for _, changes in self._all()
            for change in changes
            if change["action"] == ObjectAction.CREATED
        }

    def _row(self, change: JsonObject) -> JsonObject:
        model = _model(change["model"])
        name = str(model._meta.verbose_name) if model else change["model"]
        is_new = change["action"] == ObjectAction.CREATED
        return {
            "label": f"new {name}" if is_new else f"{name} {change['id']}",
            "url": "" if is_new else self._url(model, change["id"]),
            "model": model._meta.label if model else "its model is gone",
            "action": change["action"],
            "colour": COLOURS.get(change["action"], ""),
            "fields": [
                (column, *(self._value(model, column, value) for value in pair))
                for column, pair in (change["fields"].items() if self.content else ())
                if not (is_new and pair[1] in (None, ""))
            ],
        }

    def _value(self, model: type[Model] | None, column: str, value: Any) -> str:
        """As text; as a link, where it is the key of an object that is there and has a page."""
        if value is None:
            return ""
        whole = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        text = legible(whole, LONGEST_VALUE)
        target = _target(model, column)
        if target is None:
            return text
        if (target._meta.label_lower, text) in self.created:
            return f"new {target._meta.verbose_name}"
        url = self._url(target, text)
        return (
            format_html('<a class="orca-link" href="{}">{} {}</a>', url, target._meta.verbose_name, text)
            if url
            else text
        )

    def _url(self, model: type[Model] | None, key: str) -> str:
        if model is None:
            return ""
        return url_of(self.request, Reference(ContentType.objects.get_for_model(model), key)) or ""


def _model(label: str) -> type[Model] | None:
    """None when it was removed from the code."""
    try:
        return apps.get_model(label)
    except (LookupError, ValueError):
        return None


def _target(model: type[Model] | None, column: str) -> type[Model] | None:
    """The model that a column points at; None for one that is not a foreign key to a primary key."""
    fields: Any = model._meta.concrete_fields if model else ()
    for field in fields:
        if column in {field.attname, field.column, field.name} and field.is_relation:
            target: type[Model] = field.remote_field.model
            return target if field.target_field.primary_key else None
    return None
