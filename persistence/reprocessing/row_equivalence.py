"""Row equivalence: whether rows that were created again equal the earlier ones. What differs from run to run is
ignored: keys, fresh random ids, numbers from a counter, names of files, references to each other, and the clock."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db.models import AutoField, DateField, FileField, ForeignKey, Model, UUIDField
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from orchestration.types import JsonObject
from persistence.models import ObjectAction
from persistence.models.fields import NumberField
from persistence.tracking.row_changes import RowChange
from persistence.tracking.saved_files import Digests, lasting_file
from persistence.tracking.snapshots import digest_of, same

Row = tuple[type[Model], str]
"""The model, and the primary key as text."""
NOW = "now"
"""Stands for the time of the run."""
ID = re.compile(r"(^|_)(id|pk)s?$|[a-z](Id|Pk)s?$")
"""Names in JSON under which keys stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a handler, as its rows are looked at."""

    names: Mapping[Row, str] = field(default_factory=dict)
    """What stands for the keys of the rows that it made."""
    files: Digests = field(default_factory=dict)
    """What it saved."""
    started: datetime | None = None
    """Times from then on are the clock's; None: all times are looked at."""
    ticking: frozenset[str] = frozenset()
    """Names in JSON under which all times are the clock's."""
    literal: frozenset[str] = frozenset()
    """What stands under `id` in both runs, and so for itself."""


def field_of(change: RowChange, column: str) -> Any:
    """The model's field of a column in an image."""
    return change.model._meta.get_field(column)


def is_fresh(field: Any, value: Any) -> bool:
    """Whether every new row has another value there: a key that nobody chose, a random id, or a number from a
    counter."""
    is_drawn = field.has_db_default() or (field.has_default() and callable(field.default))
    if isinstance(field, UUIDField) and (field.primary_key or is_drawn):
        return not _is_made_of_a_name(value)
    if isinstance(field, ForeignKey) or not field.primary_key:
        return isinstance(field, NumberField)
    return isinstance(field, AutoField) or is_drawn


def _is_made_of_a_name(value: Any) -> bool:
    """Whether a UUID is the same for the same name: versions 3 and 5."""
    return value is not None and UUID(str(value)).version in {3, 5}


def lasting(field: Any, value: Any, run: Run, image: JsonObject) -> Any:
    """A value of an image, alike whatever the keys of the run's rows are: what a foreign key refers to, a generic one
    too, and in other columns and in JSON what stands under `id`, `..._id` or `..._ids`. So are its files, and its
    times as the clock's."""
    model = _refers_to(field, image)
    if model is not None:
        return run.names.get((model, str(value)), value)
    if field.primary_key:
        return value
    if run.started is not None and is_now(field, value, run.started):
        return NOW
    if isinstance(field, FileField) and isinstance(value, str):
        return lasting_file(value, run.files, any_name=callable(field.upload_to)) or value
    return _lasting(field.attname, value, _by_key(run), run)


def _refers_to(field: Any, image: JsonObject) -> Any:
    """The model of the row whose key a column holds; None when it holds none."""
    if isinstance(field, ForeignKey):
        related: Any = field.related_model
        return related._meta.concrete_model
    for generic in field.model._meta.private_fields:
        if isinstance(generic, GenericForeignKey) and generic.fk_field == field.name:
            kind = image.get(field.model._meta.get_field(generic.ct_field).attname)
            model: Any = ContentType.objects.get_for_id(kind).model_class() if kind is not None else None
            return model._meta.concrete_model if model is not None else None
    return None


def _by_key(run: Run) -> dict[str, str]:
    """In JSON a key does not say of which model it is."""
    found: dict[str, list[str]] = {}
    for (_, key), name in run.names.items():
        if key not in run.literal:
            found.setdefault(key, []).append(name)
    return {key: " or ".join(sorted(some)) for key, some in found.items()}


def _lasting(name: str, value: Any, keys: Mapping[str, str], run: Run) -> Any:
    if isinstance(value, dict):
        return {name: _lasting(name, one, keys, run) for name, one in value.items()}
    if isinstance(value, list):
        return [_lasting(name, one, keys, run) for one in value]
    if ID.search(name) and str(value) in keys:
        return keys[str(value)]
    if not isinstance(value, str):
        return value
    if run.started is not None and _is_time_from(run.started, value):
        return NOW
    if name in run.ticking and _has_fraction(value):
        return NOW
    return lasting_file(value, run.files) or value


def _time(text: str) -> datetime | None:
    """Text in JSON as a time that is somewhere on earth."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and timezone.is_aware(moment) else None


def _is_time_from(started: datetime, text: str) -> bool:
    """Encoders leave out what is below a millisecond."""
    moment = _time(text)
    return moment is not None and _is_of_the_clock(moment, started - timedelta(milliseconds=1))


def is_now(field: Any, value: Any, started: datetime) -> bool:
    """Whether a value of an image is a time read from the clock since `started`."""
    if not value or not isinstance(field, DateField):
        return False
    moment = field.to_python(value)
    return isinstance(moment, datetime) and timezone.is_aware(moment) and _is_of_the_clock(moment, started)


def _is_of_the_clock(moment: datetime, started: datetime) -> bool:
    """Whether it is the present, or so long after it. What lies in the future and is a whole second was written by
    somebody: an appointment, say."""
    return moment >= started and (moment.microsecond != 0 or moment <= timezone.now())


def _has_fraction(text: str) -> bool:
    """As a time read from a clock has, but for one in a thousand."""
    moment = _time(text)
    return moment is not None and moment.microsecond != 0


def _ids(name: str, value: Any) -> Iterator[str]:
    """What stands under `id` in JSON."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _ids(key, one)
    elif isinstance(value, list):
        for one in value:
            yield from _ids(name, one)
    elif ID.search(name):
        yield str(value)


# --- two runs -------------------------------------------------------------------------------


def same_again(
    changes: list[RowChange],
    started: datetime,
    *,
    files: tuple[Digests, Digests] = ({}, {}),
    summaries: tuple[Any, Any] = (None, None),
) -> bool:
    """Whether what a run has made since `started` equals what was there of the run before it.

    `files` and `summaries` (JSON) are those of the earlier run and of the later. A time that is the clock's makes
    its column the clock's for all rows of the model.
    """
    ticking = _ticking(changes, started)
    gone = {_row(change): change for change in changes if change.action is ObjectAction.DELETED}
    made = {_row(change): change for change in changes if change.action is ObjectAction.CREATED}
    if len(gone) != len(made):
        return False
    before, after = files
    literal = _ids_of([change.before for change in changes]) & _ids_of([change.after for change in changes])
    old = Run(names=dict.fromkeys(gone, ""), files=before, literal=literal)
    new = Run(names=dict.fromkeys(made, ""), files=after, literal=literal)
    while True:  # each round names a row by what the rows that it refers to were named by
        names = {row: _shape(change, change.before or {}, old, ticking) for row, change in gone.items()}
        others = {row: _shape(change, change.after or {}, new, ticking) for row, change in made.items()}
        if Counter(names.values()) != Counter(others.values()):
            return False
        is_last = len(set(names.values())) == len(set(old.names.values()))
        old, new = replace(old, names=names), replace(new, names=others)
        if is_last:
            break
    kept = [change for change in changes if change.action is ObjectAction.UPDATED]
    summary_before, summary_after = (
        _lasting("", text, _by_key(run), run) for text, run in zip(summaries, (old, new), strict=True)
    )
    return summary_before == summary_after and all(_is_same(change, old, new, ticking) for change in kept)


def _ids_of(images: list[JsonObject | None]) -> frozenset[str]:
    return frozenset(
        key for image in images for name, value in (image or {}).items() if name != "id" for key in _ids(name, value)
    )


def _row(change: RowChange) -> Row:
    return change.model, change.id


Ticking = dict[tuple[type[Model], str], frozenset[str]]
"""Columns that hold the clock's times, and under which names: in JSON those of its keys, else the column's own."""


def _ticking(changes: list[RowChange], started: datetime) -> Ticking:
    found: Ticking = {}
    for change in changes:
        for column, (_, after) in change.fields.items():
            field = field_of(change, column)
            names = {column} if is_now(field, after, started) else set(_times_in(field.attname, after, started))
            if names:
                found[change.model, column] = found.get((change.model, column), frozenset()) | names
    return found


def _times_in(name: str, value: Any, started: datetime) -> Iterator[str]:
    """The names under which JSON has times from `started` on."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _times_in(key, one, started)
    elif isinstance(value, list):
        for one in value:
            yield from _times_in(name, one, started)
    elif isinstance(value, str) and _is_time_from(started, value):
        yield name


def _seen(change: RowChange, column: str, image: JsonObject, run: Run, ticking: Ticking) -> Any:
    """A value without what differs from run to run."""
    field, names, value = field_of(change, column), ticking.get((change.model, column), frozenset()), image.get(column)
    if column in names and isinstance(field, DateField) and value is not None and _has_fraction(value):
        return NOW
    return lasting(field, value, replace(run, ticking=names) if names else run, image)


def _shape(change: RowChange, image: JsonObject, run: Run, ticking: Ticking) -> str:
    """The digest of an image without what differs from run to run."""
    shown = {
        column: _seen(change, column, image, run, ticking)
        for column, value in image.items()
        if not is_fresh(field_of(change, column), value)
    }
    return f"{change.model._meta.label}:{digest_of(shown)}"


def _is_same(change: RowChange, old: Run, new: Run, ticking: Ticking) -> bool:
    """Of a row that both runs changed, or made under one key."""
    before, after = change.before or {}, change.after or {}
    return all(
        same(_seen(change, column, before, old, ticking), _seen(change, column, after, new, ticking))
        for column in change.fields
    )
