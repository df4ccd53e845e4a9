"""Lists of the console are filtered only by what their page declares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.contrib.admin.utils import get_fields_from_path
from django.db.models import Model
from django.http import HttpRequest

COMPARED = ("exact", "in", "isnull", "gte", "gt", "lte", "lt")
"""The lookups that the filters of Django and unfold use; none of them searches in a text."""
RANGE = re.compile(r"_(from|to)(_[01])?\Z")
"""What unfold appends to a filter's name for either end of a range."""
PERIODS = ("year", "month", "day", "gte", "lt")
"""Of `date_hierarchy`."""


class DeclaredFilters:
    """For any ModelAdmin: its list is filtered by what `list_filter` declares and by nothing else.

    Django accepts lookups on every column of the model, so that whoever may see a list could guess the content of
    hidden columns. Undeclared lookups are answered with 400. A page whose list is linked to with a further lookup
    names it in `linked_lookups`.
    """

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        asked = RANGE.sub("", lookup)
        return any(asked in names for names in self._declared(request))

    def _declared(self, request: HttpRequest | None) -> Iterator[set[str]]:
        page: Any = self
        yield {name for kind in type(self).__mro__ for name in vars(kind).get("linked_lookups", ())}
        for declared in page.list_filter if request is None else page.get_list_filter(request):
            if isinstance(declared, type):
                yield {declared.parameter_name}  # type: ignore[attr-defined]
            else:
                yield lookups_of(page.model, declared if isinstance(declared, str) else declared[0])
        if page.date_hierarchy:
            yield {f"{page.date_hierarchy}__{period}" for period in PERIODS}


def lookups_of(model: type[Model], name: str) -> set[str]:
    """The lookups by which a filter on a column, or on what a foreign key points at, may narrow a list."""
    names = {name, *(f"{name}__{compared}" for compared in COMPARED)}
    field: Any = get_fields_from_path(model, name)[-1]
    if field.is_relation:
        target = field.target_field.name
        names |= {f"{name}__{target}", *(f"{name}__{target}__{compared}" for compared in COMPARED)}
    return names
