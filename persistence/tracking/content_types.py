"""The content types of rows that calls touch: created before they are needed, and cached only while they exist.

Django caches each content type for the life of the process, even one whose creation was rolled back. What refers to it
afterwards fails or, where the database assigns its number again, refers to another model."""

from __future__ import annotations

import weakref
from typing import Any

from django.apps import AppConfig
from django.apps.registry import apps as installed
from django.contrib.contenttypes.models import ContentType
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models.signals import post_migrate, post_save


class _Uncommitted:
    """Waits for the commit. Django drops what waits when a transaction, or the savepoint it is in, is rolled back."""

    def __init__(self) -> None:
        self._forget = weakref.finalize(self, ContentType.objects.clear_cache)
        self._forget.atexit = False

    def committed(self) -> None:
        self._forget.detach()


def _note_new(*, created: bool, using: str, **_: Any) -> None:
    """A content type was created: when that is rolled back, no matter by whom, the cache forgets it."""
    if created:
        transaction.on_commit(_Uncommitted().committed, using=using)


def make_missing(*, app_config: AppConfig, using: str, apps: Any = installed, **_: Any) -> None:
    """After a migration: types of the tables between two models, too, for which Django makes none before their use."""
    try:
        kinds = apps.get_model("contenttypes", "ContentType")
        models = apps.get_app_config(app_config.label).get_models(include_auto_created=True)
    except LookupError:  # not migrated so far
        return
    if using == DEFAULT_DB_ALIAS:
        between = {model._meta.model_name for model in models if model._meta.auto_created}
        known = kinds.objects.using(using).filter(app_label=app_config.label).values_list("model", flat=True)
        missing = sorted(between.difference(known)) if between else []
        kinds.objects.using(using).bulk_create(kinds(app_label=app_config.label, model=name) for name in missing)


def connect() -> None:
    post_save.connect(_note_new, sender=ContentType, dispatch_uid="persistence.tracking.content_types")
    post_migrate.connect(make_missing, dispatch_uid="persistence.tracking.content_types")
