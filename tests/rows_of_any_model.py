"""A row of any model, for tests that walk over all of them: what a field needs is made up, the rest is left."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone

_numbers = itertools.count(1)


def a_row(model: type[models.Model], **given: Any) -> Any:
    """A saved row; `given` wins over SPECIAL, which wins over what is made up by the kind of field."""
    fields = {**SPECIAL.get(model._meta.label, dict)(), **given}
    for field in model._meta.concrete_fields:
        if field.name not in fields and field.attname not in fields and _is_needed(field):
            fields[field.name] = _made_up(field)
    return model._base_manager.create(**fields)


def _is_needed(field: Any) -> bool:
    automatic = field.primary_key and isinstance(field, models.AutoField)
    return not (automatic or field.null or field.has_default() or field.generated or getattr(field, "auto_now", False))


def _made_up(field: Any) -> Any:
    number = next(_numbers)
    if isinstance(field, models.ForeignKey):
        related = field.remote_field.model
        return ContentType.objects.first() if related is ContentType else a_row(related)
    if field.blank and field.empty_strings_allowed and not field.unique:
        return ""
    if field.choices:
        return field.choices[0][0]
    for kind, value in (
        (models.EmailField, f"made-up-{number}@example.com"),
        (models.UUIDField, uuid4()),
        (models.DateTimeField, timezone.now()),
        (models.DurationField, timedelta(minutes=1)),
        (models.BooleanField, False),
        (models.JSONField, {}),
        (models.BinaryField, b"made up"),
        (models.DecimalField, 0),
        (models.FloatField, 0.5),
        (models.IntegerField, number if field.unique else 1),
        (models.FileField, f"made-up-{number}.txt"),
    ):
        if isinstance(field, kind):
            return value
    return f"made-up-{number}"[: field.max_length]


def _finished_call() -> dict[str, Any]:
    return {"service_identity": "services.engineapp.default.Triage", "namespace": "engineapp"}


SPECIAL: dict[str, Any] = {
    "orchestration.ServiceCallRecord": _finished_call,
    "django_q.Failure": lambda: {"success": False},
    "django_q.Schedule": lambda: {"func": "orchestration.tasks.sweep", "minutes": 1},
}
"""Fields that must fit together, by model."""
