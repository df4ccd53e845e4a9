"""The parts of a detail page, and how another package adds sections to the page of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from orchestration.models import ServiceCallRecord


class Tab(StrEnum):
    """The tabs of a call's page, in their order."""

    TIMELINE = "timeline"
    ATTEMPTS = "attempts"
    ROWS = "rows"
    RERUNS = "reruns"
    RAW = "raw"
    HISTORY = "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One card of a detail page: a template, and the context it is rendered with."""

    title: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)
    tab: Tab | None = None
    """Where it is; what has none leads, above the tabs."""
    count: int | None = None
    """How many things it lists, for the name of its tab."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTab:
    """A tab with its sections; `empty` says why there are none."""

    tab: Tab
    sections: list[Section]
    empty: str

    @property
    def label(self) -> str:
        """`Attempts (3)`."""
        counts = [section.count for section in self.sections if section.count is not None]
        return f"{self.tab.value.title()} ({sum(counts)})" if counts else self.tab.value.title()


EMPTY = {
    Tab.TIMELINE: "Nothing happened yet.",
    Tab.ATTEMPTS: "Nothing was sent yet.",
    Tab.ROWS: "Its result has made no rows.",
    Tab.RERUNS: "It was never rerun, and it is not a rerun of another call.",
    Tab.RAW: "Empty.",
    Tab.HISTORY: "Nobody has acted on this call.",
}


def in_tabs(sections: Iterable[Section]) -> tuple[list[Section], list[ShownTab]]:
    """(what leads, the tabs); no tabs when nothing is in one."""
    listed = list(sections)
    leading = [section for section in listed if section.tab is None]
    if len(leading) == len(listed):
        return leading, []
    mine = {tab: [section for section in listed if section.tab is tab] for tab in Tab}
    return leading, [ShownTab(tab=tab, sections=mine[tab], empty=EMPTY[tab]) for tab in Tab]


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled value at the head of a detail page; `url` makes it a link, `colour` a badge."""

    label: str
    value: object
    url: str | None = None
    colour: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a page, which stays in sight."""

    title: str
    key: str
    """To be copied whole."""
    crumb: str
    """Short, for the path at the top of the page."""
    badges: list[Fact]


class Crumb:
    """A row in the path at the top of its page: by a short name, so that it pushes nothing away."""

    def __init__(self, row: Model, name: str) -> None:
        self.pk, self._meta, self._name = row.pk, row._meta, name

    def __str__(self) -> str:
        return self._name


CallSections = Callable[[HttpRequest, ServiceCallRecord], Iterable[Section]]

_call_sections: list[CallSections] = []


def add_call_sections(build: CallSections) -> CallSections:
    """Add sections to the page of every call: to its tabs, or above them; doing it again changes nothing. A decorator,
    too."""
    if build not in _call_sections:
        _call_sections.append(build)
    return build


def added_call_sections(request: HttpRequest, call: ServiceCallRecord) -> list[Section]:
    """What other packages have to show about this call."""
    return [section for build in _call_sections for section in build(request, call)]
