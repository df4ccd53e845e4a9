"""What people type to find calls, and how each kind of it is looked up: by an index, or within the newest calls.

A search is made of terms, all of which must hold: `019ab3…` (start or end of an id), a correlation id, `user:7` or
`user 7` (related object), `rate_limited` (an error code), `connection reset` or `"x=1"` (text of an error),
`input.ticket.id=42`, `context.…` or `result.…` (a value in JSON).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import F, Q
from django.db.models.fields.json import KeyTransform

from orchestration.admin.exact import as_uuid
from orchestration.models import ServiceCallRecord
from orchestration.models.call_queries import ServiceCallQuerySet

HELP = "Id, correlation id, user:7, error code or text, input.ticket=42, result.…"
ROOTS = ("input", "context", "result")
WINDOW = 50_000
"""What no index serves is looked for in this many of the newest calls."""
TERM = re.compile(r'(?:[^\s"]|"[^"]*")+')
ID_PART = re.compile(r"(?=.*[0-9])[0-9a-f-]{4,64}\Z")
JSON_TERM = re.compile(r"(?P<root>\w+)(?P<path>(?:\.[^.=]+)*)(?P<rest>[^=]*)=(?P<value>.*)\Z", re.DOTALL)
OBJECT_TERM = re.compile(r"(?P<model>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?):(?P<key>\S+)\Z")
LABEL = re.compile(r"(?P<name>[A-Za-z][\w ]*) (?P<key>[0-9a-fA-F-]+)\Z")


class SearchRefused(Exception):
    """A term that cannot be searched for; the message says why and how to write it."""


@dataclass(slots=True)
class Found:
    """The rows of a search; `note` tells where no further rows were looked for."""

    rows: ServiceCallQuerySet
    note: str = ""
    windowed: list[Q] = field(default_factory=list)
    aliases: dict[str, Any] = field(default_factory=dict)


def search(rows: ServiceCallQuerySet, text: str, *, before: datetime | None = None) -> Found:
    """The calls among `rows` that match; SearchRefused for what cannot be understood.

    `before`: the newest calls that the window begins with; None for the newest of all.
    """
    found = Found(rows)
    labelled = _labelled_object(text)
    if labelled is not None:
        found.rows = rows.filter(labelled)
        return found
    words: list[str] = []
    for term, is_quoted in _terms(text):
        if is_quoted or not _narrow(found, term):
            words.append(term)
    if words:
        _by_error(found, " ".join(words), may_be_code=len(words) == 1)
    return _within_window(found, before)


def _terms(text: str) -> list[tuple[str, bool]]:
    """(term, whether all of it was quoted); blanks within quotation marks separate nothing."""
    if text.count('"') % 2:
        raise SearchRefused("A quotation mark is not closed.")
    return [
        (term[1:-1], True) if term[0] == term[-1] == '"' and term.count('"') == 2 else (term, False)
        for term in TERM.findall(text)
    ]


def _narrow(found: Found, term: str) -> bool:
    """Apply a term that says by its form what it is; False when it is plain text."""
    if "=" in term:
        _by_json(found, term)
    elif correlation := as_uuid(term):
        found.rows = found.rows.filter(Q(pk=term) | Q(correlation_id=correlation))
    elif match := OBJECT_TERM.match(term):
        found.rows = found.rows.filter(_about(match["model"], match["key"]))
    elif ID_PART.match(term):
        _by_id(found, term)
    else:
        return False
    return True


# --- ids and objects ------------------------------------------------------------------------


def _by_id(found: Found, term: str) -> None:
    """By its start, which the primary key serves; else by its end, which is what lists show."""
    starting = Q(pk__startswith=term)
    if connection.vendor == "sqlite":  # its LIKE knows no index
        starting = Q(pk__gte=term, pk__lt=f"{term}g")
    if ServiceCallRecord.objects.filter(starting).exists():
        found.rows = found.rows.filter(starting)
    else:
        found.windowed.append(Q(pk__endswith=term))


def _about(model: str, key: str) -> Q:
    app_label, _, name = model.lower().rpartition(".")
    kinds = [kind for kind in ContentType.objects.filter(model=name) if not app_label or kind.app_label == app_label]
    if not kinds:
        raise SearchRefused(f"There is no kind of object called “{model}”. Write it as in user:7 or accounts.user:7.")
    return Q(related_content_type__in=kinds, related_object_id=key)


def _labelled_object(text: str) -> Q | None:
    """`user 7`, as pages show a related object; None when the text is no such label."""
    match = LABEL.match(text.strip())
    if match is None:
        return None
    wanted = match["name"].lower()
    models = [model for model in apps.get_models() if str(model._meta.verbose_name).lower() == wanted]
    kinds = [ContentType.objects.get_for_model(model, for_concrete_model=False) for model in models]
    return Q(related_content_type__in=kinds, related_object_id=match["key"]) if kinds else None


# --- JSON and errors ------------------------------------------------------------------------


def _by_json(found: Found, term: str) -> None:
    match = JSON_TERM.match(term)
    if match is None or match["rest"] or match["root"] not in ROOTS or not match["path"]:
        raise SearchRefused(
            f"“{term}” cannot be searched for. A value is looked up by its path in {', '.join(ROOTS[:-1])} or"
            f' {ROOTS[-1]}, such as input.ticket=42; text of an error goes in quotes: "{term}".'
        )
    root, path = match["root"], match["path"].lstrip(".").split(".")
    name = f"searched_{len(found.aliases)}"
    place: Any = F(root)
    for key in path:
        place = KeyTransform(key, place)
    found.aliases[name] = place
    found.windowed.append(_any_of({name: value} for value in _values(match["value"])))


def _values(text: str) -> list[Any]:
    """What a value may be in JSON: 42 is a number or a text, "42" a text."""
    try:
        value = json.loads(text)
    except ValueError:
        return [text]
    if isinstance(value, dict | list):
        raise SearchRefused("Look for one value at a time: a text, a number, true, false or null.")
    return [value] if isinstance(value, str) else [value, text]


def _any_of(conditions: Iterable[dict[str, Any]]) -> Q:
    return reduce(lambda one, other: one | other, (Q(**condition) for condition in conditions))


def _by_error(found: Found, text: str, *, may_be_code: bool) -> None:
    coded = ServiceCallRecord.objects.filter(error_code=text, error_code__gt="")
    if may_be_code and coded.exists():
        found.rows = found.rows.filter(error_code=text, error_code__gt="")
    else:
        found.windowed.append(Q(error__icontains=text) | Q(domain_persist_error__icontains=text))


def _within_window(found: Found, before: datetime | None) -> Found:
    """Apply what no index serves, to the newest calls alone."""
    if not found.windowed:
        return found
    newest = ServiceCallRecord.objects.order_by("-created_at", "-id")
    if before is not None:
        newest = newest.filter(created_at__lte=before)
    oldest = next(iter(newest.values_list("created_at", flat=True)[WINDOW : WINDOW + 1]), None)
    if oldest is not None:
        found.rows = found.rows.filter(created_at__gte=oldest)
        found.note = (
            f"Looked through the newest {WINDOW:,} calls, back to {oldest:%Y-%m-%d %H:%M} UTC. To look further back,"
            " filter by the date until which they were created."
        )
    found.rows = found.rows.alias(**found.aliases).filter(*found.windowed)
    return found
