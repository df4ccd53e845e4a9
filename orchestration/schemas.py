"""Output schemas: pydantic models whose JSON schema fits strict structured output."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from orchestration.identity import Identity
from orchestration.strict import StrictSchema


class OutputSchema(BaseModel):
    """What a service's answer must look like. Unknown keys are an error; `@schema` adapts and registers it.

    It is no DjangoIdentityMixin, so that fields may be called `name` or `group`; identity mixins go beside it.
    """

    model_config = ConfigDict(extra="forbid")

    identity: ClassVar[Identity]
    """Set by `@schema`."""
    version: ClassVar[int]
    """Set by `@schema`; raised when stored results need an upgrade."""
    strict: ClassVar[StrictSchema]
    """Set by `@schema`: what the provider gets."""


RESERVED = ("namespace", "group", "name", "identity", "version", "strict")


def shadowed_fields(schema: type[OutputSchema]) -> list[str]:
    """Fields whose name a base or mixin uses for a class attribute.

    Pydantic would take that attribute for the field's default: an answer without the field would pass.
    """
    return [name for name in RESERVED if name in schema.model_fields and any(name in vars(b) for b in schema.__mro__)]
