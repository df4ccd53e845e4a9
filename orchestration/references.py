"""Objects that rows point at by content type and key: named without a query, found with one per model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models
from django.urls import NoReverseMatch, reverse

MAX_MODELS = 5
"""At most this many models are asked in one go, so that a page's number of queries has a bound."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An object by content type and primary key as text; it may be gone, and so may its model."""

    kind: ContentType
    object_id: str

    @property
    def model(self) -> type[models.Model] | None:
        """None when the model was removed from the code."""
        return self.kind.model_class()

    @property
    def label(self) -> str:
        """`message 12`; `app.model 12` when the model is gone."""
        model = self.model
        name = model._meta.verbose_name if model else f"{self.kind.app_label}.{self.kind.model}"
        return f"{name} {self.object_id}"

    @property
    def admin_url(self) -> str | None:
        """The object's page in the admin; None when its model has none."""
        try:
            return reverse(f"admin:{self.kind.app_label}_{self.kind.model}_change", args=(self.object_id,))
        except NoReverseMatch:
            return None


def reference(kind: ContentType | None, object_id: str | None) -> Reference | None:
    """A reference, when there is one."""
    return Reference(kind, object_id) if kind is not None and object_id is not None else None


def find_objects(references: Iterable[Reference | None]) -> dict[Reference, models.Model | None]:
    """The objects, None for those that are gone; one query per model.

    References beyond MAX_MODELS different models are left out: nobody looked.
    """
    by_kind: dict[ContentType, set[Reference]] = defaultdict(set)
    for item in references:
        if item is not None:
            by_kind[item.kind].add(item)
    found: dict[Reference, models.Model | None] = {}
    for kind in list(by_kind)[:MAX_MODELS]:
        found |= _find(kind, by_kind[kind])
    return found


def _find(kind: ContentType, wanted: set[Reference]) -> dict[Reference, models.Model | None]:
    model = kind.model_class()
    if model is None:
        return dict.fromkeys(wanted)
    keys = {item: _key(model, item.object_id) for item in wanted}
    rows = model._base_manager.filter(pk__in=[key for key in keys.values() if key is not None])
    by_key = {row.pk: row for row in rows}
    return {item: by_key.get(key) for item, key in keys.items()}


def _key(model: type[models.Model], text: str) -> object | None:
    """The primary key that a text means; None when it cannot be one."""
    try:
        key: object = model._meta.pk.to_python(text)
        model._meta.pk.run_validators(key)  # a number that the column cannot hold, for one
    except ValidationError:
        return None
    return key
