"""The admin pages of django-q: a schedule that cannot or may not run is refused, and no stored pickle is loaded.

No page shows the arguments and results of tasks: they are pickles, and may contain personal data.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django_q.admin import ScheduleAdmin
from django_q.models import Failure, OrmQ, Schedule, Success, Task

from orchestration.django_q.allowed_tasks import TaskRefused, read_message
from orchestration.django_q.schedules import problems


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's takes none at run time
    """Shows at each field what is wrong with it."""

    class Meta:
        model = Schedule
        fields = "__all__"  # noqa: DJ007 - django-q's own form shows them all

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        candidate = Schedule(**{name: value for name, value in self.cleaned_data.items() if name != "id"})
        for field, problem in problems(candidate).items():
            if field in self.fields and field not in self.errors:
                self.add_error(field, problem)
        return cleaned


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that django-q writes: they can be viewed and deleted."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TaskAdmin(ReadOnly):
    """Tasks that ended. They cannot be run again from here, because the content of a row is not trusted."""

    list_display = ("name", "group", "func", "cluster", "started", "stopped", "seconds")
    fields = ("id", "name", "group", "func", "hook", "cluster", "started", "stopped", "attempt_count", "success")
    search_fields = ("name", "func", "group")
    list_filter = ("group", "cluster")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return super().get_queryset(request).defer("args", "kwargs", "result")

    @admin.display(description="Seconds")
    def seconds(self, task: Task) -> float:
        took: timedelta = task.stopped - task.started
        return round(took.total_seconds(), 3)


class QueueAdmin(ReadOnly):
    """Messages that wait in the database."""

    list_display = ("id", "key", "lock", "task_name", "function", "bytes")
    fields = list_display
    list_filter = ("key",)

    @admin.display(description="Task")
    def task_name(self, message: OrmQ) -> str:
        return str(_package(message).get("name", ""))

    @admin.display(description="Function")
    def function(self, message: OrmQ) -> str:
        return str(_package(message).get("func", ""))

    @admin.display(description="Bytes")
    def bytes(self, message: OrmQ) -> int:
        return len(message.payload)


def _package(message: OrmQ) -> dict[str, Any]:
    try:
        package = read_message(message.payload)
    except TaskRefused as error:
        return {"name": str(error)}
    return package if isinstance(package, dict) else {}


admin.site.unregister([Schedule, Success, Failure])


@admin.register(Schedule)
class CheckedScheduleAdmin(ScheduleAdmin):
    form = ScheduleForm


admin.site.register([Success, Failure], TaskAdmin)

if admin.site.is_registered(OrmQ):  # with the database as broker
    admin.site.unregister(OrmQ)
    admin.site.register(OrmQ, QueueAdmin)
