"""The parts of a page in Django's own admin, with the interface that unfold's have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Field, Model
from django.forms import Media, Textarea
from django.http import HttpRequest

from orchestration.theme.styles import SCRIPTS, badge, style_sheets

COUNTED = 10_000
"""A list is counted no further: the rows behind are found with its filters."""

Label = Mapping[str, str] | str | None
Column = Callable[..., Any]


def display(
    *, description: str | None = None, ordering: str | None = None, label: Label = None
) -> Callable[[Column], Column]:
    """Django's, with `label`: the colour of a badge, or the colours by value; of a pair the first decides, the second
    is shown."""

    def decorate(method: Column) -> Column:
        return admin.display(description=description, ordering=ordering)(method if label is None else badged(method))

    def badged(method: Column) -> Column:
        @wraps(method)
        def shown(*args: Any) -> Any:
            value = method(*args)
            if value is None or value == "":
                return None
            kind, text = value if isinstance(value, tuple) else (value, value)
            return badge(text, label if isinstance(label, str) else (label or {}).get(kind, ""))

        return shown

    return decorate


class StyledAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's takes none at run time
    """A page that brings its style sheets and scripts along."""

    @property
    def media(self) -> Media:
        return super().media + Media(css={"all": style_sheets()}, js=SCRIPTS)


class TextareaWidget(Textarea):
    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"class": "vLargeTextField", **(attrs or {})})


class CountedPaginator(Paginator):  # type: ignore[type-arg]  # Django's takes none at run time
    """Django's lists need a number; counting a large table would take longer than showing it."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNTED].count())


class ChoiceFilter(admin.SimpleListFilter):
    """Django's own."""


class TextFilter(admin.SimpleListFilter):
    """By a text that one writes."""

    template = "admin/orchestration/theme/text_filter.html"

    def has_output(self) -> bool:
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        name = str(self.parameter_name)
        field = (name, self.title, "text", self.value() or "")
        yield {"rows": [("", [field])], "kept": kept(changelist, [name])}


class MomentRangeFilter(admin.FieldListFilter):
    """From and until a day and time, in four fields whose names are those of unfold's filter."""

    template = "admin/orchestration/theme/text_filter.html"
    SIDES = (("from", "From"), ("to", "Until"))
    PARTS = (("0", "Day", "date"), ("1", "Time", "time"))

    def __init__(
        self,
        field: Field[Any, Any],
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: Any,
        field_path: str,
    ) -> None:
        self.parameter_name = field_path
        super().__init__(field, request, params, model, model_admin, field_path)
        for name, value in self.used_parameters.items():
            self.used_parameters[name] = value[-1] if isinstance(value, list) else value

    def expected_parameters(self) -> list[str | None]:
        return [f"{self.parameter_name}_{side}_{part}" for side, _ in self.SIDES for part, _, _ in self.PARTS]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        rows = [(title, [self._field(side, *part) for part in self.PARTS]) for side, title in self.SIDES]
        names = [name for name in self.expected_parameters() if name is not None]
        yield {"rows": rows, "kept": kept(changelist, names)}

    def _field(self, side: str, part: str, what: str, kind: str) -> tuple[str, str, str, str]:
        """Name, label, type and value of an input."""
        name = f"{self.parameter_name}_{side}_{part}"
        return name, what, kind, str(self.used_parameters.get(name, ""))


def kept(changelist: ChangeList, own: list[str]) -> list[tuple[str, str]]:
    """The parameters of a list's address that a filter's form sends along: those of the search and of other filters."""
    sent = changelist.params | changelist.filter_params
    return [
        (name, text)
        for name, value in sent.items()
        if name not in own and name != "p"
        for text in (value if isinstance(value, list) else [value])
    ]
