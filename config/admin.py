"""django-q's schedule page, which here refuses a row that would stop every schedule."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django_q.admin import ScheduleAdmin
from django_q.models import Schedule

from config.schedules import problems


class ScheduleForm(forms.ModelForm):
    """Says by field what django-q's scheduler could not work with."""

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


admin.site.unregister(Schedule)


@admin.register(Schedule)
class CheckedScheduleAdmin(ScheduleAdmin):
    form = ScheduleForm
