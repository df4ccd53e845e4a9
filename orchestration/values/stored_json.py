"""A JSON column whose value may be broken: written by hand, by an older version, or too large for Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.expressions import Col

UNREADABLE = "What is stored here cannot be read as JSON."


class Unreadable:
    """Marks what a column reads as when its text cannot be read; it is never written back."""


class UnreadableObject(Unreadable, dict[str, str]):
    """In place of an object, or of any other value."""


class UnreadableList(Unreadable, list[str]):
    """In place of a list."""


if TYPE_CHECKING:
    StoredJSONField = models.JSONField
else:

    class StoredJSONField(models.JSONField):
        """A JSONField that reads every row. A plain JSONField in migrations."""

        def deconstruct(self):
            name, _, args, kwargs = super().deconstruct()
            return name, "django.db.models.JSONField", args, kwargs

        def from_db_value(self, value, expression, connection):
            try:
                found = super().from_db_value(value, expression, connection)
            except (ValueError, RecursionError):
                found = value
            # Django gives back text that is not JSON as it is, which is right for a part of a value, not for a column.
            if found is value and isinstance(value, str) and isinstance(expression, Col):
                return UnreadableList([UNREADABLE]) if self.default is list else UnreadableObject(unreadable=UNREADABLE)
            return found

        def get_db_prep_value(self, value, connection, prepared=False):
            """Raises ValueError for what a broken value was read as: the stored text stays."""
            if isinstance(value, Unreadable):
                raise ValueError(f"{self.model.__name__}.{self.name} could not be read, and is not written back.")
            return super().get_db_prep_value(value, connection, prepared)
