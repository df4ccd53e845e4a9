"""When rows that are made again are the same as before: what differs from run to run are keys, fresh random ids,
references to each other, and the clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import DateField, ForeignKey, Model, UUIDField
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from orchestration.types import JsonObject
from persistence.capture import RowChange
from persistence.images import digest_of
from persistence.models import ObjectAction

Row = tuple[type[Model], str]
"""The model, and the primary key as text."""
OWN, NOW = "own", "now"
"""Stand for the key of a row of the same run, and for the time of the run."""


def field_of(change: RowChange, column: str) -> Any:
    """The model's field of a column in an image."""
    return change.model._meta.get_field(column)


def is_fresh(field: Any) -> bool:
    """Whether every new row has another value there: the key, or a random id."""
    if isinstance(field, ForeignKey):
        return False
    return bool(field.primary_key or (isinstance(field, UUIDField) and callable(field.default)))


def lasting(field: Any, value: Any, rows: Collection[Row], started: datetime | None = None) -> Any:
    """A value of an image, alike whatever the keys of these rows are: a foreign key, and in other columns and in JSON
    what stands under `id` or `..._id`. So are times from `started` on, as the clock's."""
    if isinstance(field, ForeignKey):
        return OWN if (field.related_model, str(value)) in rows else value
    if started is not None and is_now(field, value, started):
        return NOW
    return _lasting(field.attname, value, {key for _, key in rows}, started)


def _lasting(name: str, value: Any, keys: set[str], started: datetime | None) -> Any:
    if isinstance(value, dict):
        return {name: _lasting(name, one, keys, started) for name, one in value.items()}
    if isinstance(value, list):
        return [_lasting(name, one, keys, started) for one in value]
    if (name == "id" or name.endswith("_id")) and str(value) in keys:
        return OWN
    return NOW if started is not None and isinstance(value, str) and _is_time_from(started, value) else value


def _is_time_from(started: datetime, text: str) -> bool:
    """Of text in JSON, where encoders leave out what is below a millisecond."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return False
    return moment is not None and timezone.is_aware(moment) and moment >= started - timedelta(milliseconds=1)


def is_now(field: Any, value: Any, started: datetime) -> bool:
    """Whether a value of an image is a time from `started` on, so that of the clock."""
    if not value or not isinstance(field, DateField):
        return False
    moment = field.to_python(value)
    return isinstance(moment, datetime) and timezone.is_aware(moment) and moment >= started


def same_again(changes: list[RowChange], started: datetime) -> bool:
    """Whether the rows that were created since `started` equal those that were deleted.

    A time that is the clock's makes its column the clock's for all rows of the model.
    """
    if any(change.action is ObjectAction.UPDATED for change in changes):
        return False
    own = {(change.model, str(change.key)) for change in changes}
    ticking = {
        (change.model, column)
        for change in changes
        for column, value in (change.after or {}).items()
        if is_now(field_of(change, column), value, started)
    }
    gone = Counter(_shape(change, change.before, own, ticking) for change in changes if change.before is not None)
    made = Counter(_shape(change, change.after, own, ticking) for change in changes if change.after is not None)
    return gone == made


def _shape(change: RowChange, image: JsonObject, own: set[Row], ticking: set[Any]) -> str:
    """The digest of an image without what differs from run to run."""
    shown = {}
    for column, value in image.items():
        field = field_of(change, column)
        if not is_fresh(field) and (change.model, column) not in ticking:
            shown[column] = lasting(field, value, own)
    return f"{change.model._meta.label}:{digest_of(shown)}"
