"""The filters that persistence adds to the list of calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from orchestration.admin.filters import add_call_filter
from orchestration.theme.parts import TextFilter
from orchestration.values.moments import check_moment
from persistence.maintenance.dead_letters import calls_of_group
from persistence.models.failures import still_failing


@add_call_filter
class DeadLetterFilter(TextFilter):
    """By the fingerprint of what persistence failed with."""

    title = "cause of a dead letter (fingerprint)"
    parameter_name = "dead"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        try:
            return queryset.filter(calls_of_group(value))
        except LookupError as error:
            messages.warning(request, str(error))
            return queryset.none()


@add_call_filter
class BeganToFailFilter(TextFilter):
    """By when persistence began to fail with a result, and still does; a point of the overview's chart leads here."""

    title = "persistence fails since (from/until)"
    parameter_name = "began_to_fail"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        try:
            began, until = (check_moment(datetime.fromisoformat(each)) for each in value.split("/"))
        except ValueError:
            messages.warning(
                request, "Write two times with their offset, like 2026-11-21T14:00+01:00/2026-11-21T15:00+01:00."
            )
            return queryset.none()
        since = Q(persistence_failure__first_at__gte=began, persistence_failure__first_at__lt=until)
        return queryset.filter(still_failing(), since)
