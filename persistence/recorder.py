"""Which objects were created or updated through the ORM while a handler runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db.models import Model
from django.db.models.signals import post_save

from persistence.models import ObjectAction

INFRASTRUCTURE = frozenset({"orchestration", "persistence", "django_q", "contenttypes", "sessions", "admin"})
"""Apps whose rows are bookkeeping, not what a handler made of a result."""

Key = tuple[type[Model], Any]


class Recorder:
    """The objects a handler saved, in order of their first save. `bulk_create` and `update()` send no signal."""

    def __init__(self) -> None:
        self._touched: dict[Key, tuple[Model, ObjectAction]] = {}

    def saved(self, instance: Model, *, created: bool) -> None:
        key = key_of(instance)
        _, before = self._touched.get(key, (None, None))
        was_created = created or before is ObjectAction.CREATED
        self._touched[key] = (instance, ObjectAction.CREATED if was_created else ObjectAction.UPDATED)

    def objects(self) -> list[Model]:
        """The saved objects that are still there: Django takes the key of an instance that was deleted."""
        return [instance for instance, _ in self._touched.values() if instance.pk is not None]

    def action(self, instance: Model) -> ObjectAction | None:
        """What happened to an object, None when no save of it was seen."""
        return self._touched.get(key_of(instance), (None, None))[1]


_current: ContextVar[Recorder | None] = ContextVar("persistence_recorder", default=None)


def key_of(instance: Model) -> Key:
    """What makes two instances the same object."""
    return instance._meta.concrete_model or type(instance), instance.pk


@contextmanager
def recording() -> Iterator[Recorder]:
    """Record what this thread, and the asynchronous code it waits for, saves."""
    recorder = Recorder()
    token = _current.set(recorder)
    try:
        yield recorder
    finally:
        _current.reset(token)


def _note_save(*, instance: Model, created: bool, raw: bool = False, **_: Any) -> None:
    recorder = _current.get()
    if recorder is not None and not raw and instance._meta.app_label not in INFRASTRUCTURE:
        recorder.saved(instance, created=created)


def connect() -> None:
    """Listen to the saves of every model; outside a handler that costs one look at a context variable.

    Deletes are not listened to: a receiver for all models would turn off Django's fast deletes everywhere.
    """
    post_save.connect(_note_save, dispatch_uid="persistence.recorder")
