"""Values of rows by the name of a field, where which field it is comes from elsewhere."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import Field, Model


def value_of(row: Model, name: str) -> Any:
    """What a row has in a field, which may be named by its column as well (`call_id`, of a foreign key the key).

    FieldDoesNotExist where the model has no such field.
    """
    field = cast("Field[Any, Any]", row._meta.get_field(name))
    return field.value_from_object(row)
