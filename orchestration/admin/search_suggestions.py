"""What can be searched for, while one writes: the kinds of terms, and what stands in the newest calls.

Codes, users and objects are read of the newest calls, paths and values of JSON of the newest few hundred whose payloads
are small; each process keeps them for some seconds. Paths and values are for those who may read content.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Case, F, Func, IntegerField, TextField, Value, When
from django.db.models.functions import Cast
from django.db.models.lookups import LessThanOrEqual

from orchestration.admin.indexed_search import ROOTS
from orchestration.models import ServiceCallRecord
from orchestration.values.json_bodies import NotReadable, read_json

SAMPLED = 500
"""Calls whose codes, users and objects are known."""
SAMPLED_CONTENT = 200
"""Calls whose payloads are looked into."""
LARGEST = 8_000
"""Bytes of a payload, as the database stores it; larger ones are not read."""
KEPT_SECONDS = 10.0
MOST = 12
"""Suggestions at once."""
DEEPEST = 6
MOST_PATHS = 1_000
MOST_VALUES = 200
"""Of one path."""
LONGEST = 60
"""Characters of a value, or of a key."""
KEY = re.compile(r'[^\s.="]{1,60}\Z')
PLAIN = re.compile(r'[^\s"]+\Z')


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One way to complete a term."""

    term: str
    note: str
    more: bool = False
    """Whether the term is not complete with it."""


@dataclass(slots=True)
class Seen:
    """What stands in the newest calls, with the number of calls."""

    codes: Counter[str] = field(default_factory=Counter)
    objects: Counter[str] = field(default_factory=Counter)
    """`ticket:12`, users among them."""
    values: dict[str, Counter[str]] = field(default_factory=dict)
    """By path (`result.ticket.age`), each as one writes it in a term."""


_kept: dict[bool, tuple[float, Seen]] = {}


def forget_seen() -> None:
    """Look again when next asked."""
    _kept.clear()


def suggestions(text: str, *, content: bool) -> list[tuple[str, Suggestion]]:
    """(the whole search with the suggestion in it, the suggestion) for the last term of what was written, the most
    frequent first. At most two queries each KEPT_SECONDS."""
    before, term = last_term(text)
    seen = _seen(content=content)
    found: dict[str, Suggestion] = {}
    for each in _going_on(term, seen, content=content):
        if each.term != term:
            found.setdefault(each.term, each)
    return [(f"{before}{each.term}", each) for each in list(found.values())[:MOST]]


def last_term(text: str) -> tuple[str, str]:
    """(what stands before the last term, that term); blanks within quotation marks separate nothing."""
    start, is_quoted = 0, False
    for at, character in enumerate(text):
        if character == '"':
            is_quoted = not is_quoted
        elif character.isspace() and not is_quoted:
            start = at + 1
    return text[:start], text[start:]


# --- what a term may become -----------------------------------------------------------------


def _going_on(term: str, seen: Seen, *, content: bool) -> Iterator[Suggestion]:
    path, equals, value = term.partition("=")
    if equals:
        for known, count in seen.values.get(path, Counter()).most_common():
            if _begins(known.strip('"'), value.strip('"')):
                yield Suggestion(f"{path}={known}", _said(count))
    elif path.split(".")[0] in ROOTS and "." in path:
        yield from _paths(path, seen)
    else:
        yield from _kinds(term, seen, content=content)
        yield from _objects(term, seen)
        for code, count in seen.codes.most_common():
            if term.lower() in code.lower():
                yield Suggestion(code, f"error code, {_said(count)}")


def _kinds(term: str, seen: Seen, *, content: bool) -> Iterator[Suggestion]:
    """The beginnings of terms."""
    kinds = dict.fromkeys(["user", *(known.partition(":")[0] for known in seen.objects)])
    for kind in kinds:
        if _begins(f"{kind}:", term):
            note = "asked for by a user, or about one" if kind == "user" else f"about this {kind}, or what made it"
            yield Suggestion(f"{kind}:", note, more=True)
    for root in ROOTS if content else ():
        if _begins(f"{root}.", term):
            yield Suggestion(f"{root}.", f"a value in the {root}", more=True)


def _objects(term: str, seen: Seen) -> Iterator[Suggestion]:
    if ":" in term:
        for known, count in seen.objects.most_common():
            if _begins(known, term):
                yield Suggestion(known, _said(count))


def _paths(term: str, seen: Seen) -> Iterator[Suggestion]:
    counted = [(values.total(), path) for path, values in seen.values.items() if _begins(path, term)]
    for count, path in sorted(counted, key=lambda found: (-found[0], found[1])):
        yield Suggestion(f"{path}=", _said(count), more=True)


def _begins(known: str, written: str) -> bool:
    return known.lower().startswith(written.lower())


def _said(count: int) -> str:
    return f"{count:,} call{'' if count == 1 else 's'} lately"


# --- what stands in the newest calls --------------------------------------------------------


def _seen(*, content: bool) -> Seen:
    now = time.monotonic()
    until, seen = _kept.get(content, (0.0, None))
    if seen is None or until <= now:
        seen = _look(content=content)
        _kept[content] = (now + KEPT_SECONDS, seen)
    return seen


def _look(*, content: bool) -> Seen:
    seen = Seen()
    newest = ServiceCallRecord.objects.order_by("-created_at", "-id")
    user = get_user_model()._meta.model_name
    columns = ("error_code", "requested_by_id", "related_content_type_id", "related_object_id")
    for code, user_id, kind, key in newest.values_list(*columns)[:SAMPLED]:
        if code:
            seen.codes[code] += 1
        if user_id is not None:
            seen.objects[f"{user}:{user_id}"] += 1
        if kind is not None and key and PLAIN.match(str(key)):
            seen.objects[f"{ContentType.objects.get_for_id(kind).model}:{key}"] += 1
    if content:
        texts = {f"{root}_text": _small_text(root) for root in ROOTS}
        for row in newest.annotate(**texts).values_list(*texts)[:SAMPLED_CONTENT]:
            for root, text in zip(ROOTS, row, strict=True):
                _note(seen, root, text)
    return seen


def _small_text(column: str) -> Case:
    """A JSON column as text, NULL where it is large: how large the database knows without reading it."""
    function = "pg_column_size" if connection.vendor == "postgresql" else "length"
    size = Func(F(column), function=function, output_field=IntegerField())
    return Case(When(LessThanOrEqual(size, LARGEST), then=Cast(F(column), TextField())), default=Value(None))


def _note(seen: Seen, root: str, text: str | None) -> None:
    try:
        value = None if text is None else read_json(text)
    except NotReadable:
        return
    for path, known in set(_scalars(root, value, DEEPEST)):
        if path in seen.values or len(seen.values) < MOST_PATHS:
            values = seen.values.setdefault(path, Counter())
            if known in values or len(values) < MOST_VALUES:
                values[known] += 1


def _scalars(path: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    """(path, value as one writes it) of what a search can find: texts, numbers, true, false and null, in objects."""
    if isinstance(value, dict):
        for key, inner in value.items() if depth else ():
            if KEY.match(key):
                yield from _scalars(f"{path}.{key}", inner, depth - 1)
    elif not isinstance(value, list) and (written := _written(value)):
        yield path, written


def _written(value: Any) -> str:
    """As in a term, a text in quotes where it needs them; empty for what cannot be written."""
    if not isinstance(value, str):
        return json.dumps(value)
    if not value or len(value) > LONGEST or '"' in value or not value.isprintable():
        return ""
    try:
        read_json(value)
    except NotReadable:
        return value if PLAIN.match(value) else f'"{value}"'
    return f'"{value}"'
