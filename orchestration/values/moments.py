"""The accepted range of date-times from outside: one check, one model field, one type for REST.

Between the bounds a moment can be converted to every time zone, stored by every database, read by every driver, and
moved by a thousand days and back. Nothing here is needed for moments that the program takes from a clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from pydantic import AfterValidator, BeforeValidator

from orchestration.clock import database_now

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""The first moment after those that are accepted."""
LAST = LATEST - timedelta(microseconds=1)
LONGEST = timedelta(days=36_500)
"""The longest duration that is added to a moment or taken from one; see `later`."""

UNREADABLE_PAST = datetime(1, 1, 3, tzinfo=UTC)
UNREADABLE_FUTURE = datetime(9999, 12, 29, tzinfo=UTC)
"""What a stored moment reads as that Python, or a time zone, cannot hold: outside the range, so that it is found."""

WRITTEN = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d(:?\d\d)?)", re.ASCII)
EXAMPLE = "2026-01-31T12:00:00Z"


def check_moment(value: datetime) -> datetime:
    """The same moment in UTC; ValueError when it has no time zone or is outside the range."""
    if timezone.is_naive(value):
        raise ValueError(f"has no time zone: write it like {EXAMPLE}")
    if not is_in_range(value):
        raise ValueError(f"must be between the years {EARLIEST.year} and {LATEST.year - 1}, in UTC")
    return value.astimezone(UTC)


def is_in_range(value: datetime) -> bool:
    """Whether an aware moment lies within the range, which is asked without converting it."""
    return EARLIEST <= value < LATEST


def read_stored(text: str) -> datetime:
    """The moment of a stored row, as `isoformat` wrote it into a cursor; ValueError for what is not one."""
    moment = datetime.fromisoformat(text)
    if timezone.is_naive(moment):
        raise ValueError("has no time zone")
    return readable(moment)


def later(moment: datetime, seconds: float) -> datetime:
    """The moment so many seconds later (earlier, when they are negative), never further away than LONGEST.

    Not a number, and more seconds than any calendar holds, are LONGEST, too: for times that a provider, a setting or
    a command asks for, where a wait without an end is meant.
    """
    bound = LONGEST.total_seconds()
    within = min(max(seconds, -bound), bound) if seconds == seconds else bound
    return moment + timedelta(seconds=within)


def readable(value: datetime) -> datetime:
    """A stored moment, or the bound that stands for one that no time zone can show."""
    return min(max(value, UNREADABLE_PAST), UNREADABLE_FUTURE)


def _written(value: Any) -> Any:
    """Text as it is, when it is written like a moment; other kinds of values are for Python code only."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not WRITTEN.fullmatch(value):
        raise ValueError(f"is not a date and time with a time zone: write it like {EXAMPLE}")
    return value


Moment = Annotated[datetime, BeforeValidator(_written), AfterValidator(check_moment)]
"""For bodies and filters of REST: ISO 8601 with a time zone, within the range; no numbers, no dates alone."""


def validate_moment(value: datetime) -> None:
    """As a validator of Django's forms and fields."""
    try:
        check_moment(value if timezone.is_aware(value) else timezone.make_aware(value))
    except ValueError as error:
        raise ValidationError(f"The date and time {error}.", code="moment_out_of_range") from None


if TYPE_CHECKING:
    MomentField = models.DateTimeField
else:

    class MomentField(models.DateTimeField):
        """A DateTimeField for moments within the range, in forms, imports, lookups and writes alike.

        A stored moment that is outside all calendars reads as a bound. A plain DateTimeField in migrations, with
        Django's own clock for the database's.
        """

        default_validators = (validate_moment,)

        def deconstruct(self):
            name, _, args, kwargs = super().deconstruct()
            if self.default is database_now:
                kwargs["default"] = timezone.now
            return name, "django.db.models.DateTimeField", args, kwargs

        def get_prep_value(self, value):
            """Raises ValidationError for what is outside the range."""
            moment = super().get_prep_value(value)
            if isinstance(moment, datetime):
                validate_moment(moment)
            return moment

        def from_db_value(self, value, expression, connection):
            return readable(value) if isinstance(value, datetime) else value


def validate_length(value: timedelta) -> None:
    """As a validator: a duration that every moment of the range can be moved by."""
    if not timedelta(0) <= value <= LONGEST:
        raise ValidationError(f"The duration must be between 0 and {LONGEST.days} days.", code="length_out_of_range")


if TYPE_CHECKING:
    LengthField = models.DurationField
else:

    class LengthField(models.DurationField):
        """A DurationField that can be added to a moment. A plain DurationField in migrations."""

        default_validators = (validate_length,)

        def deconstruct(self):
            name, _, args, kwargs = super().deconstruct()
            return name, "django.db.models.DurationField", args, kwargs

        def get_prep_value(self, value):
            """Raises ValidationError for what is too long, or negative."""
            if isinstance(value, timedelta):
                validate_length(value)
            return super().get_prep_value(value)
