"""Objects that rows point at by content type and key: named without a query, found with one per model.

Keys are kept as text: `str(pk)`, and of a composite key the JSON list that Django's serializers write, `["7", "a"]`.
All of these objects are in the default database.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from django.contrib.admin.utils import quote
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, models
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from orchestration.values.plain_text import plain_text
from orchestration.values.uuid_keys import canonical

MAX_MODELS = 5
"""At most this many models are asked in one go, so that a page's number of queries has a bound."""


NUMBERED = frozenset({models.AutoField, models.BigAutoField, models.SmallAutoField})
"""Keys of most rows: what such a field gives is the number that it was given."""


# --- keys -----------------------------------------------------------------------------------


def normal_key(model: type[models.Model], key: Any) -> Any:
    """A primary key as a query gives it, of whatever type it was assigned; a tuple when it is composite."""
    field: Any = model._meta.pk
    if type(key) is int and type(field) in NUMBERED:
        return key
    if not model._meta.is_composite_pk:
        return _normal(field, key)
    return tuple(_normal(field, one) for field, one in zip(model._meta.pk_fields, key, strict=True))


def _normal(field: models.Field[Any, Any], value: Any) -> Any:
    value = field.to_python(value)
    return value.astimezone(UTC) if isinstance(value, datetime) and timezone.is_aware(value) else value


def key_text(model: type[models.Model], key: Any) -> str:
    """A primary key as text."""
    return text_of_normal(model, normal_key(model, key))


def text_of_normal(model: type[models.Model], key: Any) -> str:
    """`key_text` of what `normal_key` gave."""
    if not model._meta.is_composite_pk:
        return str(key)
    pk: Any = model._meta.pk
    return str(pk.value_to_string(SimpleNamespace(pk=key)))


def key_from(model: type[models.Model], text: str) -> Any:
    """The primary key that a text means; ValidationError when it cannot be one."""
    fields = model._meta.pk_fields
    if not model._meta.is_composite_pk:
        return _validated(fields[0], text)
    try:
        parts = json.loads(text)
    except ValueError:
        parts = None
    if not isinstance(parts, list) or len(parts) != len(fields):
        raise ValidationError("A composite key is a JSON list with a value for each of its columns.")
    return tuple(_validated(field, one) for field, one in zip(fields, parts, strict=True))


def _validated(field: models.Field[Any, Any], value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = plain_text(value)
            value = canonical(value) if isinstance(field, models.UUIDField) else value
        except ValueError as error:
            raise ValidationError(str(error)) from error
    key = field.to_python(value)
    field.run_validators(key)  # a number that the column cannot hold, for one
    return key


def key_of(model: type[models.Model] | None, text: str) -> Any:
    """As `key_from`; None for what cannot be a key, and of a model that is gone."""
    try:
        key = key_from(model, text) if model else None
    except ValidationError:
        return None
    return None if key == "" else key


def stored_text(model: type[models.Model] | None, text: str) -> str:
    """The text by which rows point at the object that a text means: a UUID in lower case, a number without zeros."""
    key = key_of(model, text)
    return text if model is None or key is None else key_text(model, key)


def has_key(obj: models.Model) -> bool:
    """Whether every column of the primary key has a value: Django takes them from an instance that is deleted."""
    if not obj._meta.is_composite_pk:
        return obj.pk is not None
    return all(field.value_from_object(obj) is not None for field in obj._meta.pk_fields)


def why_not_stored(obj: models.Model) -> str:
    """Why an object cannot be pointed at, after "it "; empty when it can."""
    if obj._state.adding or not has_key(obj):
        return "is not saved"
    if obj._state.db not in (None, DEFAULT_DB_ALIAS):
        return f"is in the database {obj._state.db!r}: only objects of {DEFAULT_DB_ALIAS!r} can be referred to"
    return ""


# --- references -----------------------------------------------------------------------------


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
    def key(self) -> Any:
        """The primary key; None when the text cannot be one, or the model is gone."""
        return key_of(self.model, self.object_id)

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
            return admin_path(f"{self.kind.app_label}_{self.kind.model}_change", self.object_id)
        except NoReverseMatch:
            return None


def admin_path(name: str, key: object, *rest: object) -> str:
    """A page of the admin about one row, whatever its key holds; NoReverseMatch when there is none."""
    return reverse(f"admin:{name}", args=(quote(str(key)), *rest))


def reference(kind: ContentType | None, object_id: str | None) -> Reference | None:
    """A reference, when there is one."""
    return Reference(kind, object_id) if kind is not None and object_id is not None else None


def reference_to(obj: models.Model) -> Reference:
    """The reference to a saved object; ValueError when it cannot be pointed at."""
    why = why_not_stored(obj)
    if why:
        raise ValueError(f"This {type(obj).__name__} {why}.")
    return Reference(ContentType.objects.get_for_model(obj), key_text(type(obj), obj.pk))


def find_objects(
    references: Iterable[Reference | None], *, most: int | None = MAX_MODELS
) -> dict[Reference, models.Model | None]:
    """The objects, None for those that are gone; one query per model.

    References beyond `most` different models are left out.
    """
    found: dict[Reference, models.Model | None] = {}
    for model, keys in _by_model(references, most):
        by_key = {row.pk: row for row in _rows(model, keys)} if model else {}
        found |= {item: by_key.get(key) for item, key in keys.items()}
    return found


def which_exist(references: Iterable[Reference | None]) -> dict[Reference, bool]:
    """Whether the objects are there, without reading them, in the same way."""
    found: dict[Reference, bool] = {}
    for model, keys in _by_model(references, MAX_MODELS):
        there = set(_rows(model, keys).values_list("pk", flat=True)) if model else set()
        found |= {item: key in there for item, key in keys.items()}
    return found


Keys = dict[Reference, Any]
"""The primary key that each reference means; None when it cannot be one."""


def _by_model(
    references: Iterable[Reference | None], most: int | None
) -> Iterator[tuple[type[models.Model] | None, Keys]]:
    by_kind: dict[ContentType, set[Reference]] = defaultdict(set)
    for item in references:
        if item is not None:
            by_kind[item.kind].add(item)
    for kind in list(by_kind)[:most]:
        yield kind.model_class(), {item: item.key for item in by_kind[kind]}


def _rows(model: type[models.Model], keys: Keys) -> models.QuerySet[models.Model]:
    rows = model._base_manager.using(DEFAULT_DB_ALIAS)  # whatever a router says
    return rows.filter(pk__in=[key for key in keys.values() if key is not None])


# --- a field --------------------------------------------------------------------------------


class ObjectKey(GenericForeignKey):
    """A generic foreign key whose text may be any primary key, composite ones too.

    An object that is not saved, or not in the default database, cannot be assigned (ValueError); a key that no object
    can have is an object that is gone.
    """

    def contribute_to_class(self, cls: type[models.Model], name: str, **options: Any) -> None:  # type: ignore[override]
        super().contribute_to_class(cls, name, **options)
        setattr(cls, name, self)  # since 6.1 Django has a descriptor of its own

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        cached = self.get_cached_value(instance, default=None)
        if cached is None and self.is_cached(instance):
            return None
        named = self._named_by(instance)
        if cached is None or named != _found_as(cached):
            cached = find_objects([named]).get(named) if named else None
            self.set_cached_value(instance, cached)
        return cached

    def __set__(self, instance: Any, value: Any) -> None:
        named = reference_to(value) if value is not None else None
        setattr(instance, self.ct_field, named.kind if named else None)
        setattr(instance, self.fk_field, named.object_id if named else None)
        self.set_cached_value(instance, value)

    def get_prefetch_querysets(self, instances: Sequence[Any], querysets: Any = None) -> Any:
        """What `prefetch_related` asks for: the objects, and how to tell which belongs to which instance."""
        found = find_objects(map(self._named_by, instances), most=None)
        objects = [obj for obj in found.values() if obj is not None]
        return objects, _found_as, self._named_by, True, self.name, False

    def _named_by(self, instance: Any) -> Reference | None:
        kind_id, object_id = (
            self.model._meta.get_field(name).value_from_object(instance) for name in (self.ct_field, self.fk_field)
        )
        return reference(ContentType.objects.get_for_id(kind_id) if kind_id is not None else None, object_id)


def _found_as(obj: models.Model) -> Reference:
    return Reference(ContentType.objects.get_for_model(obj), key_text(type(obj), obj.pk))
