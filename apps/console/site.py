"""The admin site: for all of its pages, the checks of keys, filters and searches in their addresses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import wraps
from types import MethodType
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import DisallowedRedirect, ValidationError
from django.db import DataError, models
from django.db.models.base import ModelBase
from django.http import Http404, HttpRequest, HttpResponseBadRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from unfold.sites import UnfoldAdminSite

from apps.accounts.decorators import too_often
from orchestration.log import describe
from orchestration.theme.words import NOTHING
from orchestration.values.declared_filters import DeclaredFilters
from orchestration.values.generic_refs import key_of
from orchestration.values.uuid_keys import UuidTextField, canonical

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]
UNREADABLE = (DataError, OverflowError, ValidationError)
"""What databases, drivers and fields raise for a value that a column cannot be compared with."""

SEARCHES = ("q", "term", "s")
"""The search parameters: of lists, of autocomplete fields, and of the console-wide search."""
MAX_SEARCH = 1_000
MAX_WORDS = 32


class SearchTooLong(ValidationError):
    """A search has more words than a database accepts in one condition."""


class ConsoleSite(UnfoldAdminSite):
    """A value that cannot be a key answers 404; a filter that cannot be applied redirects to the list without it."""

    login_template = "accounts/sign_in.html"
    empty_value_display = NOTHING  # as every page says it

    def register(
        self,
        model_or_iterable: ModelBase | Iterable[ModelBase],
        admin_class: type[ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Adds DeclaredFilters to every page, those of third parties included."""
        page = admin_class or ModelAdmin
        if not issubclass(page, DeclaredFilters):
            attributes = {"__module__": page.__module__, "__doc__": page.__doc__}
            page = type(page.__name__, (DeclaredFilters, page), attributes)
        super().register(model_or_iterable, page, **options)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """Built once a request: the frame of a page and our navigation both ask, and it reverses two URLs a model."""
        built: dict[str | None, list[dict[str, Any]]] = request.__dict__.setdefault("_console_app_lists", {})
        if app_label not in built:
            built[app_label] = super().get_app_list(request, app_label)
        return built[app_label]

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        """As persistence/admin/navigation.py says, which knows what is active and allowed: the theme would compare the
        address of each entry with that of each tab."""
        groups: list[dict[str, Any]] = self._get_value(self._get_config("SIDEBAR", request)["navigation"], request)
        return [{**group, "items": [{**item, "has_permission": True} for item in group["items"]]} for group in groups]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        owner = view.__self__ if isinstance(view, MethodType) else None
        model_admin = owner if isinstance(owner, ModelAdmin) else None

        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if refused := too_often(request):
                return refused
            if model_admin is not None:
                _check_keys(model_admin, request, kwargs)
                if kwargs.get("object_id") and isinstance(model_admin.opts.pk, models.UUIDField | UuidTextField):
                    kwargs["object_id"] = canonical(kwargs["object_id"])
            try:
                _check_search(request)
                if model_admin is not None:
                    _check_filters(model_admin, request)
                return view(request, *args, **kwargs)
            except RecursionError as error:  # nested JSON in a form or a file
                logger.warning("the admin cannot read a request path=%s error=%s", request.path, describe(error))
                return HttpResponseBadRequest("The request is nested too deeply to be read.")
            except DisallowedRedirect as error:
                raise Http404("This address is too long.") from error
            except UNREADABLE as error:
                if request.method != "GET" and not _cannot_be_listed(model_admin, request):
                    raise
                return _unreadable(request, error)

        inner: View = super().admin_view(checked, cacheable)
        return inner


def _check_keys(model_admin: ModelAdmin[Any], request: HttpRequest, kwargs: dict[str, Any]) -> None:
    """Http404 for a key in the path, or a selected one, that no row of the model can have."""
    keys = [unquote(kwargs["object_id"])] if kwargs.get("object_id") else []
    if request.method == "POST" and request.POST.get("select_across") != "1":  # then the keys are ignored
        keys += request.POST.getlist(ACTION_CHECKBOX_NAME)
    if any(key_of(model_admin.model, key) is None for key in keys):
        raise Http404(f"There is no such {model_admin.opts.verbose_name}.")


def _check_filters(model_admin: ModelAdmin[Any], request: HttpRequest) -> None:
    """ValidationError for a query that compares a column with what it cannot hold: Django leaves that to the driver."""
    columns = {field.attname: field for field in model_admin.opts.concrete_fields}
    for name, values in request.GET.lists():
        field = columns.get(name.removesuffix("__exact"))
        if field is not None:
            for value in values:
                field.to_python(value)


def _cannot_be_listed(model_admin: ModelAdmin[Any] | None, request: HttpRequest) -> bool:
    """Whether the error is in the query of a list, and not in what was posted to it."""
    try:
        _check_search(request)
        if model_admin is None or not request.GET:
            return False
        _check_filters(model_admin, request)
        model_admin.get_changelist_instance(request)
    except UNREADABLE:
        return True
    return False


def _check_search(request: HttpRequest) -> None:
    """SearchTooLong for more words than a database takes in one condition."""
    for name in SEARCHES:
        text = request.GET.get(name, "")
        if len(text) > MAX_SEARCH or len(text.split()) > MAX_WORDS:
            raise SearchTooLong(f"A search may have at most {MAX_WORDS} words and {MAX_SEARCH:,} characters.")


def _unreadable(request: HttpRequest, error: Exception) -> HttpResponseBase:
    """A list without its filters, as Django shows it for the mistakes that it notices itself; else 404."""
    logger.warning("the admin cannot read a request path=%s error=%s", request.path, describe(error))
    if not request.GET or ERROR_FLAG in request.GET:
        raise Http404("There is no page at this address.") from error
    reason = str(error.message) if isinstance(error, SearchTooLong) else "The list cannot be filtered like this."
    messages.error(request, f"{reason} Check the filters and the search; the list is shown without them.")
    return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
