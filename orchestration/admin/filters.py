"""Filters of lists: each value is served by an index, and choices are not read from the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.admin import ListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from orchestration.clock import database_now
from orchestration.components.registry import services
from orchestration.engine.queue.holding import holds
from orchestration.models import AIRequestAudit
from orchestration.models.rollups import CallRollup, Span
from orchestration.theme.parts import DropdownFilter, RangeDateTimeFilter, TextFilter
from orchestration.values.moments import EARLIEST, LATEST, is_in_range

NEWEST_UNKNOWN = 1000
COSTLIEST = 100
EXPENSIVE = "expensive"
"""The saved search whose list is sorted by cost."""
MONTH = timedelta(days=30)

_call_filters: list[type[ListFilter]] = []


def add_call_filter(kind: type[ListFilter]) -> type[ListFilter]:
    """Add a filter to the list of calls; doing it again changes nothing. A decorator, too."""
    if kind not in _call_filters:
        _call_filters.append(kind)
    return kind


def added_call_filters() -> list[type[ListFilter]]:
    """What other packages filter calls by."""
    return list(_call_filters)


class MomentFilter(RangeDateTimeFilter):
    """From and until a moment, in the time zone of the console; a day alone is the whole of it."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        try:
            bounds = {
                lookup: bound(self.used_parameters, f"{self.parameter_name}_{side}", whole)
                for lookup, side, whole in (("gte", "from", time.min), ("lte", "to", time.max))
            }
        except ValueError as error:
            messages.error(request, str(error))
            return queryset.none()
        wanted = {f"{self.parameter_name}__{lookup}": at for lookup, at in bounds.items() if at is not None}
        return queryset.filter(**wanted)


def bound(given: Mapping[str, Any], name: str, whole: time) -> datetime | None:
    """The moment of a filter's day and time, which may name its offset (`02:10:00+01:00`); None without a day,
    ValueError for what is not one, or is out of range."""
    day, clock = (str(given.get(f"{name}_{part}") or "").strip() for part in (0, 1))
    if not day:
        return None
    try:
        at = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock) if clock else whole)
    except ValueError:
        raise ValueError(f"“{day} {clock}” is not a day and time; write them like 2026-11-21 and 14:30:00.") from None
    moment = at if timezone.is_aware(at) else timezone.make_aware(at)
    if not is_in_range(moment):
        raise ValueError(f"“{day}” is not within the years {EARLIEST.year} to {LATEST.year - 1}.")
    return moment


class ServiceFilter(DropdownFilter):
    """By registered service; `SELECT DISTINCT` over a million calls is too slow for a menu."""

    title = "service"
    parameter_name = "service"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(identity), identity.label) for identity in services.all()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(service_identity=value) if value else queryset


class ErrorCodeFilter(TextFilter):
    title = "error code"
    parameter_name = "error_code"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(error_code=value, error_code__gt="") if value else queryset


class HeldFilter(TextFilter):
    """By what holds queued calls back at this moment; the page of all that is held leads here."""

    title = "held by"
    parameter_name = "held"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        which = next((hold.which for hold in holds()[0] if hold.name == value), None)
        if which is None:
            messages.info(request, f"Nothing holds calls back now that is called {value[:80]}.")
            return queryset.none()
        return queryset.filter(which)


class ModelFilter(TextFilter):
    title = "model"
    parameter_name = "model"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(model=value, model__gt="") if value else queryset


class SavedFilter(DropdownFilter):
    """Questions that people ask every day."""

    title = "saved search"
    parameter_name = "saved"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, title) for name, (title, _) in SAVED.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return SAVED[value][1](queryset) if value in SAVED else queryset


def _failed_today(calls: Any) -> Any:
    return calls.failed().filter(finished_at__gte=_midnight())


def _midnight() -> datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def _dead(calls: Any) -> Any:
    return calls.dead()


def _unknown(calls: Any) -> Any:
    newest = AIRequestAudit.objects.unknown().filter(call__isnull=False).order_by("-dispatched_at")
    return calls.filter(pk__in=list(newest.values_list("call", flat=True)[:NEWEST_UNKNOWN]))


def _expensive(calls: Any) -> Any:
    """The costliest call of each hour of a month, service and model; of these the costliest."""
    month = CallRollup.objects.filter(span=Span.HOUR, starts_at__gte=database_now() - MONTH)
    hours = month.filter(highest_cost__isnull=False).order_by("-highest_cost")
    return calls.filter(pk__in=list(hours.values_list("costliest_call", flat=True)[:COSTLIEST]))


SAVED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "failed_today": ("Failed today", _failed_today),
    "dead": ("Dead", _dead),
    "unknown_attempts": ("Unknown attempts", _unknown),
    EXPENSIVE: ("Expensive", _expensive),
}
"""Name in the address → (title, the calls)."""
