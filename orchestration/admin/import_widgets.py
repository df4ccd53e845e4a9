"""How cells of imported files become values: an ambiguous one is refused, with what to write instead."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from import_export import widgets

from orchestration.values.moments import EXAMPLE, check_moment

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class MomentWidget(widgets.DateTimeWidget):
    """ISO 8601; without a time zone it is UTC, and without a time it is midnight."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> datetime | None:
        if value is None or value == "":
            return None
        found = value if isinstance(value, datetime) else _moment(str(value).strip())
        if found is None:
            raise ValueError(f"is not a date and time: write it like {EXAMPLE}")
        return check_moment(found.replace(tzinfo=UTC) if timezone.is_naive(found) else found)

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        """In UTC, whoever exports it, with microseconds when there are some: the same moment comes in again, and the
        row that it names is found."""
        return str(value.astimezone(UTC)) if isinstance(value, datetime) else ""


def _moment(text: str) -> datetime | None:
    try:
        return parse_datetime(text) or parse_datetime(f"{text} 00:00")
    except ValueError:
        return None


class NumberWidget(widgets.DecimalWidget):
    """A number with a decimal point."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Decimal | None:
        text = str(value).strip() if value is not None else ""
        if not text:
            return None
        if NUMBER.fullmatch(text) and not isinstance(value, bool):
            return Decimal(text)
        if re.fullmatch(r"[+-]?[\d.,' ]+", text, re.ASCII):
            raise ValueError("is not a number: write it with a decimal point, and without a comma, such as 2.5")
        raise ValueError("is not a number")


class WholeNumberWidget(NumberWidget):
    """A number without decimals."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        number = super().clean(value, row, **kwargs)
        if number is not None and (number != number.to_integral_value() or abs(number) > 10**18):
            raise ValueError("is not a whole number, or too large")
        return None if number is None else int(number)


class FlagWidget(widgets.BooleanWidget):
    """Yes or no."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> bool | None:
        text = str(value).strip().lower() if value is not None else ""
        if text in TRUE | FALSE:
            return text in TRUE
        if text:
            raise ValueError("is neither yes nor no: write 1 or 0")
        return None


class LengthWidget(widgets.DurationWidget):
    """`[days] hours:minutes:seconds`."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> timedelta | None:
        found = super().clean(str(value).strip() if value is not None else "", row, **kwargs)  # type: ignore[no-untyped-call]
        if found is None and value not in (None, ""):
            raise ValueError("is not a duration: write it like 0:30:00, for half an hour")
        return found  # type: ignore[no-any-return]  # the library has no types


class JsonWidget(widgets.JSONWidget):
    """JSON as text, or as it is in a JSON file."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        if value is None or not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value.strip() else None
        except (ValueError, RecursionError):
            raise ValueError("is not JSON") from None

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "" if value is None else json.dumps(value, ensure_ascii=False)


BY_FIELD = {
    "DateTimeField": MomentWidget,
    "DecimalField": NumberWidget,
    "BooleanField": FlagWidget,
    "DurationField": LengthWidget,
    "JSONField": JsonWidget,
    "IntegerField": WholeNumberWidget,
    "PositiveIntegerField": WholeNumberWidget,
    "PositiveSmallIntegerField": WholeNumberWidget,
    "PositiveBigIntegerField": WholeNumberWidget,
    "SmallIntegerField": WholeNumberWidget,
    "BigIntegerField": WholeNumberWidget,
}
"""By the kind of a model's field."""
