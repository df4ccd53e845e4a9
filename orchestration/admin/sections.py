"""The parts of a detail page, and how another package adds sections to the page of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from orchestration.models import ServiceCallRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One card of a detail page: a template, and the context it is rendered with."""

    title: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled value at the head of a detail page; `url` makes it a link, `colour` a badge."""

    label: str
    value: object
    url: str | None = None
    colour: str = ""


CallSections = Callable[[HttpRequest, ServiceCallRecord], Iterable[Section]]

_call_sections: list[CallSections] = []


def add_call_sections(build: CallSections) -> CallSections:
    """Add sections to the page of every call, below its attempts; doing it again changes nothing. A decorator, too."""
    if build not in _call_sections:
        _call_sections.append(build)
    return build


def added_call_sections(request: HttpRequest, call: ServiceCallRecord) -> list[Section]:
    """What other packages have to show about this call."""
    return [section for build in _call_sections for section in build(request, call)]
