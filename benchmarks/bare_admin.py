"""The list of calls as Django's own admin would show it: the same rows and columns, its templates, no filters.

What the console's list is measured against (benchmarks/console.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import configured  # noqa: F401 - sets up what the next lines need

# isort: split
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.test import override_settings
from django.urls import include, path
from unfold.paginator import InfinitePaginator

from orchestration.admin.base import LeanChangeList
from orchestration.admin.calls import ServiceCallAdmin
from orchestration.models import ServiceCallRecord

CONSOLE = admin.site.get_model_admin(ServiceCallRecord)
LIST = "/bare/orchestration/servicecallrecord/"
TEMPLATES = Path(admin.__file__).parent / "templates"


def _column(name: str) -> Callable[[ServiceCallRecord], Any]:
    description, method = label_for_field(name, ServiceCallRecord, model_admin=CONSOLE, return_attr=True)

    @admin.display(description=description)
    def shown(call: ServiceCallRecord) -> Any:
        return method(call)

    return shown


class BareCalls(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic while the program runs
    list_display = tuple(map(_column, ServiceCallAdmin.list_display))
    list_per_page = ServiceCallAdmin.list_per_page
    list_select_related = ServiceCallAdmin.list_select_related
    list_defer = ServiceCallAdmin.list_defer
    ordering = ServiceCallAdmin.ordering
    paginator = InfinitePaginator
    show_full_result_count = False

    def get_changelist(self, request: Any, **kwargs: Any) -> Any:
        return LeanChangeList

    def prepare_page(self, rows: list[Any]) -> None:
        """LeanChangeList asks for it."""


site = admin.AdminSite(name="bare")
for model in admin.site._registry:
    site.register(model, BareCalls if model is ServiceCallRecord else None)
urlpatterns = [path("bare/", site.urls), path("", include("config.urls"))]


@contextmanager
def served() -> Iterator[str]:
    """While it lasts, the bare list answers at the address that this yields."""
    own = {**settings.TEMPLATES[0], "DIRS": [TEMPLATES], "APP_DIRS": False}
    with override_settings(TEMPLATES=[own], ROOT_URLCONF=__name__):
        yield LIST
