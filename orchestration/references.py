"""Objects that rows point at by content type and key: named without a query, found with one per model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
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
    found: dict[Reference, models.Model | None] = {}
    for model, keys in _by_model(references):
        by_key = {row.pk: row for row in _rows(model, keys)} if model else {}
        found |= {item: by_key.get(key) for item, key in keys.items()}
    return found


def which_exist(references: Iterable[Reference | None]) -> dict[Reference, bool]:
    """Whether the objects are there, without reading them, in the same way."""
    found: dict[Reference, bool] = {}
    for model, keys in _by_model(references):
        there = set(_rows(model, keys).values_list("pk", flat=True)) if model else set()
        found |= {item: key in there for item, key in keys.items()}
    return found


Keys = dict[Reference, object]
"""The primary key that each reference means; None when it cannot be one."""


def _by_model(references: Iterable[Reference | None]) -> Iterator[tuple[type[models.Model] | None, Keys]]:
    by_kind: dict[ContentType, set[Reference]] = defaultdict(set)
    for item in references:
        if item is not None:
            by_kind[item.kind].add(item)
    for kind in list(by_kind)[:MAX_MODELS]:
        model = kind.model_class()
        yield model, {item: _key(model, item.object_id) if model else None for item in by_kind[kind]}


def _rows(model: type[models.Model], keys: Keys) -> models.QuerySet[models.Model]:
    return model._base_manager.filter(pk__in=[key for key in keys.values() if key is not None])


def _key(model: type[models.Model], text: str) -> object | None:
    """The primary key that a text means; None when it cannot be one."""
    try:
        key: object = model._meta.pk.to_python(text)
        model._meta.pk.run_validators(key)  # a number that the column cannot hold, for one
    except ValidationError:
        return None
    return key
