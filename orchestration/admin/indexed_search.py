"""What people type to find calls, and how each kind of it is looked up: by an index, or within the newest calls.

A search is made of terms, all of which must hold: `019ab3…` (start or end of an id), a correlation id, `user:7`,
`user 7` or `user:ada@example.com` (an object: calls about it, asked for by that user, or whose results made or changed
it), `rate_limited` (an error code), `connection reset` or `"x=1"` (text of an error), `input.ticket.id=42`, `context.…`
or `result.…` (a value in JSON).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db.models import F, Q
from django.db.models.fields.json import KeyTransform

from orchestration.models import ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.theme.words import exact
from orchestration.values.generic_refs import key_of, stored_text
from orchestration.values.json_bodies import NotReadable, read_json
from orchestration.values.uuid_keys import parse_uuid

HELP = "Id, correlation id, user:7, error code or text, input.ticket=42, result.…"
ROOTS = ("input", "context", "result")
WINDOW = 50_000
"""What no index serves is looked for in this many of the newest calls."""
WINDOW_OF_RESULTS = 15_000
"""The same for values in results: the database stores most of them apart from their rows, and unpacks each."""
TERM = re.compile(r'(?:[^\s"]|"[^"]*")+')
ID_SHAPE = "00000000-0000-0000-0000-000000000000"
ID_PART = re.compile(r"(?=.*[0-9])[0-9a-fA-F-]{4,64}\Z")
JSON_TERM = re.compile(r"(?P<root>\w+)(?P<path>(?:\.[^.=]+)*)(?P<rest>[^=]*)=(?P<value>.*)\Z", re.DOTALL)
OBJECT_TERM = re.compile(r"(?P<model>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?):(?P<key>\S+)\Z")
LABEL = re.compile(r"(?P<name>[A-Za-z][\w ]*) (?P<key>[0-9a-fA-F-]+)\Z")


class SearchRefused(Exception):
    """A term that cannot be searched for; the message says why and how to write it."""


@dataclass(slots=True)
class Found:
    """The rows of a search."""

    rows: ServiceCallQuerySet
    content: bool = False
    """Whether prompts, answers and errors may be looked through."""
    before: datetime | None = None
    """The newest calls that the window begins with; None for the newest of all."""
    notes: list[str] = field(default_factory=list)
    """Where no further rows were looked for."""
    looked: list[str] = field(default_factory=list)
    """What was looked for and where, after "calls", one entry a term."""
    windowed: list[Q] = field(default_factory=list)
    aliases: dict[str, Any] = field(default_factory=dict)
    in_results: bool = False
    """Whether results are looked through."""

    @property
    def window(self) -> int:
        """How many of the newest calls are looked through for what no index serves."""
        return min(WINDOW, WINDOW_OF_RESULTS) if self.in_results else WINDOW

    @property
    def note(self) -> str:
        return " ".join(dict.fromkeys(self.notes))


def search(rows: ServiceCallQuerySet, text: str, *, content: bool, before: datetime | None = None) -> Found:
    """The calls among `rows` that match; SearchRefused for what cannot be understood, or not be asked.

    `content`: whether who searches may read content; what they may not read cannot be guessed by searching for it.
    `before`: the newest calls that the window begins with; None for the newest of all.
    """
    found = Found(rows, content=content, before=before)
    if _by_label(found, text):
        return found
    words: list[str] = []
    for term, is_quoted in _terms(text):
        if is_quoted or not _narrow(found, term):
            words.append(term)
    if words:
        _by_error(found, " ".join(words), may_be_code=len(words) == 1)
    return _within_window(found)


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
    elif correlation := parse_uuid(term):
        found.rows = found.rows.filter(Q(pk=term) | Q(correlation_id=correlation))
        found.looked.append("with this id or correlation id")
    elif match := OBJECT_TERM.match(term):
        _by_object(found, match["model"], match["key"])
    elif ID_PART.match(term):
        _by_id(found, term.lower())
    else:
        return False
    return True


# --- ids and objects ------------------------------------------------------------------------


def _by_id(found: Found, term: str) -> None:
    """By its start, which the primary key serves, and by its end, which is what lists show. If some start so, the ids
    that end so are looked up before: joined by OR, the whole table would be read."""
    starting = Q(pk__startswith=term, pk__range=(_padded(term, "0"), _padded(term, "f")))
    found.looked.append(f"whose id starts or ends with {term}")
    if ServiceCallRecord.objects.filter(starting).exists():
        window, _ = _window(found)
        ending = window.filter(pk__endswith=term).values_list("pk", flat=True)[:MOST_FOUND]
        found.rows = found.rows.filter(starting | Q(pk__in=list(ending)))
    else:
        found.windowed.append(Q(pk__endswith=term))


def _padded(term: str, digit: str) -> str:
    """The first or the last id that begins with these digits. In a range the index of ids serves all databases, LIKE
    only those whose collation is C. Texts with hyphens at the same places have the same order in any collation."""
    return term + ID_SHAPE[len(term) :].replace("0", digit)


ObjectFinder = Callable[[Sequence[ContentType], str], Iterable[str]]
"""Calls that have to do with an object of one of these kinds, by the key as text; their ids, the newest first."""
_finders: list[ObjectFinder] = []
MOST_FOUND = 1000
"""Ids that one finder gives."""


def add_object_finder(finder: ObjectFinder) -> ObjectFinder:
    """Let searches for an object find these calls, too; doing it again changes nothing. A decorator, too."""
    if finder not in _finders:
        _finders.append(finder)
    return finder


def _by_object(found: Found, model: str, key: str) -> None:
    app_label, _, name = model.lower().rpartition(".")
    kinds = [kind for kind in ContentType.objects.filter(model=name) if not app_label or kind.app_label == app_label]
    if not kinds:
        raise SearchRefused(f"There is no kind of object called “{model}”. Write it as in user:7 or accounts.user:7.")
    _having_to_do_with(found, kinds, key)


def _by_label(found: Found, text: str) -> bool:
    """`user 7`, as pages show a related object; False when the text is not such a label."""
    match = LABEL.match(text.strip())
    if match is None:
        return False
    wanted = match["name"].lower()
    models = [model for model in apps.get_models() if str(model._meta.verbose_name).lower() == wanted]
    kinds = [ContentType.objects.get_for_model(model, for_concrete_model=False) for model in models]
    if kinds:
        _having_to_do_with(found, kinds, match["key"])
    return bool(kinds)


def _having_to_do_with(found: Found, kinds: Sequence[ContentType], key: str) -> None:
    """The calls about an object of one of these kinds (at least one), those that it asked for, and those whose results
    made or changed it: each by an index of its own."""
    users = [kind for kind in kinds if kind.model_class() is get_user_model()]
    key = _key_of_user(key) if users else key
    about = {(kind, stored_text(kind.model_class(), key)) for kind in kinds}
    which = _any_of({"related_content_type": kind, "related_object_id": text} for kind, text in about)
    name = f"{kinds[0].model} {key}"
    looked = f"about {name}, or whose results made or changed it"
    user_key = key_of(get_user_model(), key) if users else None
    if user_key is not None:
        which |= Q(requested_by=user_key)
        looked = f"asked for by {name}, about it, or whose results made or changed it"
    ids = [call_id for finder in _finders for call_id in finder(kinds, key)]
    found.rows = found.rows.filter(which | Q(pk__in=ids) if ids else which)
    found.looked.append(looked)
    if len(ids) >= MOST_FOUND:
        found.notes.append(
            f"Of the calls whose results made or changed {name} only the newest {MOST_FOUND:,} are listed."
        )


def _key_of_user(key: str) -> str:
    """The key of the user with this name (`user:ada@example.com`); what is none of a user stays as it is."""
    users: Any = get_user_model()
    if key_of(users, key) is not None:
        return key
    named = users._default_manager.filter(**{users.USERNAME_FIELD: key}).values_list("pk", flat=True).first()
    return key if named is None else str(named)


# --- JSON and errors ------------------------------------------------------------------------


def _by_json(found: Found, term: str) -> None:
    match = JSON_TERM.match(term)
    if match is None or match["rest"] or match["root"] not in ROOTS or not match["path"]:
        raise SearchRefused(
            f"“{term}” cannot be searched for. A value is looked up by its path in {', '.join(ROOTS[:-1])} or"
            f' {ROOTS[-1]}, such as input.ticket=42; text of an error goes in quotes: "{term}".'
        )
    root, path = match["root"], match["path"].lstrip(".").split(".")
    found.looked.append(f"with this value in {root}")
    _refuse_guessing(found, f"values in {root}")
    name = f"searched_{len(found.aliases)}"
    place: Any = F(root)
    for key in path:
        place = KeyTransform(key, place)
    found.aliases[name] = place
    found.in_results |= root == "result"
    found.windowed.append(_any_of({name: value} for value in _values(match["value"])))


def _values(text: str) -> list[Any]:
    """What a value may be in JSON: 42 is a number or a text, "42" a text."""
    try:
        value = read_json(text)
    except NotReadable:
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
        found.looked.append(f"with the error code {text}")
    else:
        _refuse_guessing(found, "text of errors")
        found.looked.append("with this error code, or this text in an error")
        found.windowed.append(Q(error__icontains=text) | Q(domain_persist_error__icontains=text))


def _refuse_guessing(found: Found, what: str) -> None:
    if not found.content:
        raise SearchRefused(
            f"Searching for {what} needs the permission to read content. Search for ids, objects or error codes."
        )


def _within_window(found: Found) -> Found:
    """Apply what no index serves, to the newest calls alone."""
    if not found.windowed:
        return found
    _, oldest = _window(found)
    if oldest is not None:
        found.rows = found.rows.filter(created_at__gte=oldest)
    found.rows = found.rows.alias(**found.aliases).filter(*found.windowed)
    return found


def _window(found: Found) -> tuple[ServiceCallQuerySet, datetime | None]:
    """The calls that are looked through for what no index serves, and since when they were created; None when these are
    all that there are. A note says so, when they are not."""
    newest = ServiceCallRecord.objects.order_by("-created_at", "-id")
    if found.before is not None:
        newest = newest.filter(created_at__lte=found.before)
    oldest = next(iter(newest.values_list("created_at", flat=True)[found.window : found.window + 1]), None)
    if oldest is None:
        return newest, None
    found.notes.append(
        f"Looked through the newest {found.window:,} calls, back to {exact(oldest)}. To look further back,"
        " filter by the date until which they were created."
    )
    return newest.filter(created_at__gte=oldest), oldest
