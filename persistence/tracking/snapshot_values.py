"""The value of a column as JSON: as a query gives it, and as memory knows that the database holds it.

What is assigned to an instance is not always what is stored: `"5"` in a number's column, a time of another zone, a
decimal that the database rounds, `1e16` in PostgreSQL's `jsonb`. So memory is believed only where the stored form is
known for certain, by the type of the field and that of the value; everything else is to be read again.
"""

from __future__ import annotations

import base64
import json
import math
import re
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from functools import cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import connection, models
from django.db.models import Field
from django.db.models.expressions import BaseExpression, Combinable
from django.utils import timezone
from django.utils.duration import duration_iso_string

from orchestration.values.moments import LengthField, MomentField

if TYPE_CHECKING:
    AnyField = Field[Any, Any]
else:
    AnyField = Field


class _Unknown:
    """Stands for a value that only the database can tell."""


UNKNOWN: Final = _Unknown()
WHOLE_IN_FLOAT = 2**53
"""Up to this, a float holds every whole number."""
MAY_HAVE_FRACTION = re.compile(r"\d[.eE]")
"""JSON without these holds no number with a fraction or an exponent."""
DIGITS_IN_REAL = 15
"""Decimal digits that SQLite, which keeps decimals as floating-point numbers, gives back as they were."""


def plain(field: AnyField, value: Any) -> Any:
    """A value that a query gave, or that was converted like one."""
    if value is None:
        return None
    field = stored_as(field)
    if isinstance(field, models.JSONField):
        return json.loads(json.dumps(value, cls=field.encoder))
    if _rule(field) is None and type(field).value_to_string is not Field.value_to_string:
        return field.value_to_string(SimpleNamespace(**{field.attname: value}))  # type: ignore[arg-type]  # as Django's own composite keys do
    value = field.to_python(value)
    if isinstance(field, models.DecimalField) and isinstance(value, Decimal):
        return _decimal_text(field, value)
    return _scalar(value)


def remembering(field: AnyField) -> Callable[[Any], Any]:
    """What `plain` will say of a value, other than None, that was just stored; UNKNOWN when only a query can tell."""
    field = stored_as(field)
    rule = _rule(field)
    return partial(rule, field) if rule is not None else lambda _: UNKNOWN


@cache
def stored_as(field: AnyField) -> AnyField:
    """The field whose values a column holds: of a foreign key the one that it points at."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field


def restored(field: AnyField, value: Any) -> Any:
    """A value of an image, as a save takes it."""
    if isinstance(field, models.JSONField):
        return models.Value(None, field) if value is None and not field.null else value  # there it was JSON's null
    return field.to_python(value)


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if _is_exact(value) else str(value)
    if isinstance(value, datetime) and timezone.is_aware(value):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_iso_string(value)
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, list | tuple):
        return [_scalar(item) for item in value]
    return str(value)


def _is_exact(number: float) -> bool:
    """Whether every database's JSON keeps the number: none knows `nan`, and PostgreSQL's neither `-0.0` nor that
    `1e16` has a fraction."""
    return math.isfinite(number) and "e" not in repr(number) and repr(number) != "-0.0"


def _decimal_text(field: Any, value: Decimal) -> str:
    if not value.is_finite():
        return str(value)
    digits = Context(prec=max(field.max_digits, len(value.as_tuple().digits)) + 1)
    return str(value.quantize(Decimal(1).scaleb(-field.decimal_places), context=digits))


# --- what memory may be believed ------------------------------------------------------------


def _whole(field: Any, value: Any) -> Any:
    if isinstance(value, models.IntegerChoices):
        return value.value
    return value if type(value) is int else UNKNOWN


def _yes_or_no(field: Any, value: Any) -> Any:
    return value if type(value) is bool else UNKNOWN


def _number(field: Any, value: Any) -> Any:
    if type(value) is int and abs(value) <= WHOLE_IN_FLOAT:
        return float(value)
    is_kept = type(value) is float and math.isfinite(value) and repr(value) != "-0.0"  # SQLite has no negative zero
    return _scalar(value) if is_kept else UNKNOWN


def _decimal(field: Any, value: Any) -> Any:
    if type(value) is not Decimal or not value.is_finite() or (value.is_zero() and value.is_signed()):
        return UNKNOWN
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent < -field.decimal_places:  # it will be rounded
        return UNKNOWN
    whole = len(digits) + exponent + field.decimal_places
    limit = field.max_digits if connection.vendor == "postgresql" else min(field.max_digits, DIGITS_IN_REAL)
    return _decimal_text(field, value) if whole <= limit else UNKNOWN


def _text(field: Any, value: Any) -> Any:
    if isinstance(value, models.TextChoices):
        return value.value
    return value if type(value) is str else UNKNOWN


def _uuid(field: Any, value: Any) -> Any:
    return str(value) if type(value) is uuid.UUID else UNKNOWN


def _moment(field: Any, value: Any) -> Any:
    if type(value) is not datetime or timezone.is_naive(value) or not settings.USE_TZ:
        return UNKNOWN
    if connection.timezone_name != "UTC":  # SQLite keeps the time of that zone, without its offset
        return UNKNOWN
    try:
        return value.astimezone(UTC).isoformat()
    except OverflowError:
        return UNKNOWN


def _day(field: Any, value: Any) -> Any:
    return value.isoformat() if type(value) is date else UNKNOWN


def _time_of_day(field: Any, value: Any) -> Any:
    return value.isoformat() if type(value) is time and value.tzinfo is None else UNKNOWN


def _duration(field: Any, value: Any) -> Any:
    return duration_iso_string(value) if type(value) is timedelta else UNKNOWN


def _bytes(field: Any, value: Any) -> Any:
    return base64.b64encode(value).decode() if type(value) is bytes else UNKNOWN


def is_expression(value: Any) -> bool:
    """Whether the database computes it."""
    return isinstance(value, BaseExpression | Combinable)


def _file(field: Any, value: Any) -> Any:
    return str(value)


def _json(field: Any, value: Any) -> Any:
    if field.decoder is not None or is_expression(value):
        return UNKNOWN
    text = json.dumps(value, cls=field.encoder)
    if not MAY_HAVE_FRACTION.search(text):
        return json.loads(text)
    strange = False

    def number(text: str) -> float:
        nonlocal strange
        strange = strange or not _is_exact(float(text))
        return float(text)

    kept = json.loads(text, parse_float=number)
    return UNKNOWN if strange and connection.vendor == "postgresql" else kept  # `jsonb` writes them out in digits


RULES: dict[type[Any], Callable[[Any, Any], Any]] = {
    models.IntegerField: _whole,
    models.BooleanField: _yes_or_no,
    models.FloatField: _number,
    models.DecimalField: _decimal,
    models.CharField: _text,
    models.TextField: _text,
    models.UUIDField: _uuid,
    models.DateTimeField: _moment,
    models.DateField: _day,
    models.TimeField: _time_of_day,
    models.DurationField: _duration,
    models.BinaryField: _bytes,
    models.FileField: _file,
    models.JSONField: _json,
    MomentField: _moment,  # these two refuse values, and change none
    LengthField: _duration,
}
CONVERSIONS = frozenset(
    {
        "cast_db_type", "db_parameters", "db_type", "from_db_value", "get_db_converters", "get_db_prep_save",
        "get_db_prep_value", "get_internal_type", "get_placeholder", "get_prep_value", "pre_save", "rel_db_type",
        "to_python",
    }
)  # fmt: skip
"""What decides how a value is stored and read."""


@cache
def _rule(field: AnyField) -> Callable[[Any, Any], Any] | None:
    """The rule of a field; None for Django's others, and for those that convert values in their own way."""
    for base in type(field).__mro__:
        if base in RULES:
            return RULES[base]
        if not base.__module__.startswith("django.db.models.") and CONVERSIONS & vars(base).keys():
            return None
    return None
