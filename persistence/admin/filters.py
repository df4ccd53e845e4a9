"""The filters that persistence adds to the list of calls."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest

from orchestration.admin.filters import add_call_filter
from orchestration.theme.parts import TextFilter
from persistence.maintenance.dead_letters import calls_of_group


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
