"""Django's SQLite backend, reading whatever stands in a column of a time, a number or a text."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from datetime import date, datetime
from decimal import InvalidOperation
from functools import partial
from typing import Any

from django.db.backends.sqlite3 import base, operations
from django.utils.dateparse import parse_date, parse_datetime

from orchestration.values.moments import LONGEST, UNREADABLE_FUTURE, UNREADABLE_PAST

BROKEN = (ValueError, TypeError, AttributeError, OverflowError, InvalidOperation)
Converter = Callable[[Any, Any, Any], Any]
NIL = uuid.UUID(int=0)


def _bound(value: Any) -> datetime:
    """What stands for text that is not a time: a year of five digits and infinity lie in the future."""
    text = str(value)
    later = text.lower().startswith("inf") or (text.partition("-")[0].isdecimal() and len(text.partition("-")[0]) > 4)
    return UNREADABLE_FUTURE if later else UNREADABLE_PAST


def _read(data: bytes, parse: Callable[[str], Any]) -> Any:
    """What sqlite3 makes of a column of a time: text that is none becomes a bound, not None and not an error."""
    text = data.decode(errors="replace")
    try:
        found = parse(text)
    except ValueError:
        found = None
    return _bound(text).replace(tzinfo=None) if found is None else found


for _kind in ("datetime", "timestamp"):
    sqlite3.register_converter(_kind, partial(_read, parse=parse_datetime))
sqlite3.register_converter("date", lambda data: _date(_read(data, parse_date)))


def _date(found: date) -> date:
    return found.date() if isinstance(found, datetime) else found


class DatabaseOperations(operations.DatabaseOperations):
    def adapt_datetimefield_value(self, value: Any) -> str | None:
        """A bound for what lies beyond it, so that comparisons are right."""
        try:
            return super().adapt_datetimefield_value(value)
        except OverflowError:
            bound = UNREADABLE_PAST if value.year < UNREADABLE_PAST.year + 1 else UNREADABLE_FUTURE
            return super().adapt_datetimefield_value(bound)

    def convert_datetimefield_value(self, value: Any, expression: Any, connection: Any) -> Any:
        try:
            return super().convert_datetimefield_value(value, expression, connection)
        except BROKEN:
            return _bound(value)

    def convert_datefield_value(self, value: Any, expression: Any, connection: Any) -> Any:
        try:
            found = super().convert_datefield_value(value, expression, connection)
        except BROKEN:
            found = None
        return _bound(value).date() if found is None and value is not None else found

    def convert_timefield_value(self, value: Any, expression: Any, connection: Any) -> Any:
        try:
            return super().convert_timefield_value(value, expression, connection)
        except BROKEN:
            return None

    def convert_durationfield_value(self, value: Any, expression: Any, connection: Any) -> Any:
        try:
            return super().convert_durationfield_value(value, expression, connection)
        except BROKEN:
            return -LONGEST if str(value).startswith("-") else LONGEST

    def convert_uuidfield_value(self, value: Any, expression: Any, connection: Any) -> Any:
        try:
            return super().convert_uuidfield_value(value, expression, connection)
        except BROKEN:
            return NIL

    def get_decimalfield_converter(self, expression: Any) -> Converter:
        convert = super().get_decimalfield_converter(expression)

        def tolerant(value: Any, expression: Any, connection: Any) -> Any:
            try:
                return convert(value, expression, connection)
            except BROKEN:
                return None

        return tolerant


class DatabaseWrapper(base.DatabaseWrapper):
    ops_class = DatabaseOperations

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        made = super().get_new_connection(conn_params)
        made.text_factory = partial(str, encoding="utf-8", errors="replace")  # bytes that are not UTF-8 are shown
        return made
