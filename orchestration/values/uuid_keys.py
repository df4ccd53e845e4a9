"""UUIDs as keys, in whichever spelling of RFC 9562 they come: upper case, braces, `urn:uuid:`, without hyphens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

import uuid_utils.compat
from django.core.exceptions import ValidationError
from django.db import models
from django.urls import register_converter

if TYPE_CHECKING:
    Text = models.CharField[Any, Any]  # or the type of foreign keys to it is lost
else:
    Text = models.CharField

GROUPED = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
SPELLING = rf"(?:[uU][rR][nN]:[uU][uU][iI][dD]:)?{GROUPED}|\{{{GROUPED}\}}|[0-9a-fA-F]{{32}}"
ANY_SPELLING = re.compile(SPELLING, re.ASCII)
CANONICAL = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def parse_uuid(text: str) -> UUID | None:
    """The UUID that a text spells; None when it does not spell one."""
    return UUID(text.lower()) if ANY_SPELLING.fullmatch(text) else None


def canonical(text: str) -> str:
    """A UUID in lower case with hyphens; any other text as it is."""
    if CANONICAL.fullmatch(text):
        return text
    found = parse_uuid(text)
    return text if found is None else str(found)


def check_uuid(text: Any) -> None:
    """ValidationError for what is not a UUID."""
    if parse_uuid(str(text)) is None:
        raise ValidationError("“%(value)s” is not a valid UUID.", code="invalid", params={"value": str(text)[:64]})


def new_call_id() -> str:
    """A time-ordered UUID (version 7, RFC 9562) as text."""
    return str(uuid_utils.compat.uuid7())


class UuidTextField(Text):
    """A UUID as text: stored in its canonical spelling, found by any. A plain text column in migrations."""

    default_validators = [check_uuid]

    def to_python(self, value: Any) -> Any:
        return _spelled(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        return _spelled(super().get_prep_value(value))

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


def _spelled(value: Any) -> Any:
    return canonical(value) if isinstance(value, str) else value


class UuidConverter:
    """`<any_uuid:name>` in a path: a UUID in any spelling; Django's own `uuid` takes lower case with hyphens alone."""

    regex = f"(?:{SPELLING})"

    def to_python(self, value: str) -> UUID:
        return UUID(value.lower())

    def to_url(self, value: object) -> str:
        return str(value)


register_converter(UuidConverter, "any_uuid")
