"""Django's PostgreSQL backend with loaders that read every value of the types of time."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import BaseTzLoader, get_adapters_template
from psycopg import Cursor, DataError
from psycopg.adapt import AdaptersMap, Buffer
from psycopg.types.datetime import DateLoader, IntervalLoader, TimeLoader, TimestampLoader

from orchestration.values.moments import LONGEST, UNREADABLE_FUTURE, UNREADABLE_PAST


def _is_past(data: Buffer) -> bool:
    """Of a value that cannot be read: it lies before all that can be, not after."""
    text = bytes(data)
    return text.endswith(b"BC") or text.startswith(b"-")


class AnyTimestamp(TimestampLoader):
    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except DataError:
            return (UNREADABLE_PAST if _is_past(data) else UNREADABLE_FUTURE).replace(tzinfo=None)


class AnyDate(DateLoader):
    def load(self, data: Buffer) -> date:
        try:
            return super().load(data)
        except DataError:
            return (UNREADABLE_PAST if _is_past(data) else UNREADABLE_FUTURE).date()


class AnyTime(TimeLoader):
    """`24:00:00` is the one time that Python does not have."""

    def load(self, data: Buffer) -> time:
        try:
            return super().load(data)
        except DataError:
            return time.max


class AnyInterval(IntervalLoader):
    def load(self, data: Buffer) -> timedelta:
        try:
            return super().load(data)
        except (DataError, OverflowError):
            return -LONGEST if _is_past(data) else LONGEST


@lru_cache
def _adapters(use_tz: bool, zone: tzinfo | None) -> AdaptersMap:
    class AnyTimestamptz(BaseTzLoader):  # type: ignore[misc]  # Django has no types for psycopg 3
        timezone = zone

        def load(self, data: Buffer) -> datetime:
            try:
                found: datetime = super().load(data)
            except (DataError, OverflowError):
                found = (UNREADABLE_PAST if _is_past(data) else UNREADABLE_FUTURE).replace(tzinfo=self.timezone)
            return found

    adapters = AdaptersMap(get_adapters_template(use_tz, zone))
    loaders: dict[str, Any] = {
        "timestamptz": AnyTimestamptz,
        "timestamp": AnyTimestamp,
        "date": AnyDate,
        "time": AnyTime,
    }
    for name, loader in {**loaders, "interval": AnyInterval}.items():
        adapters.register_loader(name, loader)
    return adapters


class PlanningCursor(Cursor[Any]):
    """Leaves the values to the database, which plans the statement for them each time."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> PlanningCursor:
        return super().execute(query, params, **{**options, "prepare": False})


class DatabaseWrapper(base.DatabaseWrapper):
    PlanningCursor = PlanningCursor

    def get_connection_params(self) -> dict[str, Any]:
        return {**super().get_connection_params(), "context": _adapters(settings.USE_TZ, self.timezone)}
