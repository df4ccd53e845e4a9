"""Filters of the call list that ask the database for no choices."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

from orchestration.app import ensure_autostarted
from orchestration.registry import services


class ServiceFilter(DropdownFilter):
    """By registered service; `SELECT DISTINCT` over a million calls would be no way to make a menu."""

    title = "service"
    parameter_name = "service"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        ensure_autostarted()
        return [(str(identity), identity.label) for identity in services.all()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(service_identity=value) if value else queryset


class ErrorCodeFilter(TextFilter):
    title = "error code"
    parameter_name = "error_code"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(error_code=self.value()) if self.value() else queryset


class ModelFilter(TextFilter):
    title = "model"
    parameter_name = "model"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(model=self.value()) if self.value() else queryset
