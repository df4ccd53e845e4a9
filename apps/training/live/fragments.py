"""The parts of a live page. A page sends the version of each part that it has, and gets those that differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

MAX_ASKED = 20_000
"""Characters of `have` that are read; a page has a few parts, and one for each message that waits."""


PLACED = '<div id="{}" class="part"{}>{}</div>'
SWAPPED = '<div id="{}" class="part"{} hx-swap-oob="true">{}</div>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a page: what `template` makes of `context`, in an element `id` that names its version."""

    id: str
    template: str
    shown: Any
    """The values that decide how it looks, as JSON; its version is their hash."""
    context: dict[str, Any] = field(default_factory=dict)
    final: bool = False
    """It will no longer change, so the page does not ask for it."""

    @property
    def version(self) -> str:
        text = json.dumps(self.shown, cls=DjangoJSONEncoder, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    def render(self, request: HttpRequest, *, swapped: bool = False) -> SafeString:
        """As HTML; with `swapped`, htmx replaces the part that the page has."""
        inside = render_to_string(self.template, self.context, request)
        version = "" if self.final else format_html(' data-version="{}"', self.version)
        return format_html(SWAPPED if swapped else PLACED, self.id, version, inside)


def versions_of(have: str) -> dict[str, str]:
    """`id:version,id:version` as a page sends it; what cannot be read is ignored."""
    pairs = (item.partition(":") for item in have[:MAX_ASKED].split(","))
    return {name: version for name, _, version in pairs if name and version}


def numbers_of(have: dict[str, str], prefix: str) -> list[int]:
    """The rows whose parts (`prefix-12`) a page has that may still change."""
    found = (number_of(name.removeprefix(prefix)) for name in have if name.startswith(prefix))
    return [number for number in found if number]


def number_of(value: str) -> int:
    """A sequence number that a page sends; 0 when it is not a number."""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0


def what_differs(request: HttpRequest, parts: Iterable[Part], *, added: str = "") -> HttpResponse:
    """The response to a refresh: the `added` HTML, and the parts whose version the page does not have."""
    have = versions_of(request.GET.get("have", ""))
    changed = (part.render(request, swapped=True) for part in parts if have.get(part.id) != part.version)
    return HttpResponse("".join([added, *changed]))
