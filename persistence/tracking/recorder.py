"""Which objects were created or updated through the ORM while a handler runs."""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model
from django.db.models.signals import post_save

from orchestration.values.generic_refs import has_key, normal_key

INFRASTRUCTURE = frozenset({"orchestration", "persistence", "django_q", "contenttypes", "sessions", "admin"})
"""Apps whose rows are bookkeeping, not what a handler made of a result."""

Key = tuple[type[Model], Any]


class Recorder:
    """The objects a handler saved, in order of their first save. `bulk_create` and `update()` send no signal."""

    def __init__(self) -> None:
        self._saved: dict[Key, Model] = {}

    def saved(self, instance: Model) -> None:
        self._saved[key_of(instance)] = instance

    def objects(self) -> list[Model]:
        """The saved objects, without those that were deleted since as instances."""
        return [instance for instance in self._saved.values() if has_key(instance)]


_current: ContextVar[Recorder | None] = ContextVar("persistence_recorder", default=None)


def key_of(instance: Model) -> Key:
    """What makes two instances the same object."""
    return instance._meta.concrete_model or type(instance), normal_key(type(instance), instance.pk)


class recording:  # noqa: N801 - reads like a function: `with recording() as recorder:`
    """Record what this thread, and the asynchronous code it waits for, saves in the default database."""

    def __enter__(self) -> Recorder:
        recorder = Recorder()
        self._token = _current.set(recorder)
        return recorder

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._token)


def _note_save(*, instance: Model, using: str, raw: bool = False, **_: Any) -> None:
    recorder = _current.get()
    if recorder is None or raw or using != DEFAULT_DB_ALIAS:
        return
    if instance._meta.app_label not in INFRASTRUCTURE:
        recorder.saved(instance)


def connect() -> None:
    """Listen to the saves of every model; outside a handler that costs reading a context variable.

    Deletes are not listened to: a receiver for all models would turn off Django's fast deletes everywhere.
    """
    post_save.connect(_note_save, dispatch_uid="persistence.tracking.recorder")
