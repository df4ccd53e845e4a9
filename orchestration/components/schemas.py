"""Output schemas: pydantic models whose JSON schema fits strict structured output."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema

from orchestration.components.identity import Identity
from orchestration.components.strict_schema import StrictSchema
from orchestration.errors import ComponentDefinitionError


class OutputSchema(BaseModel):
    """What a service's answer must look like. Unknown keys are an error, and so are NaN, infinity and numbers beyond a
    float, which JSON cannot hold; `@schema` adapts and registers it.

    It is not a DjangoIdentityMixin, so that fields may be called `name` or `group`; identity mixins go beside it.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    identity: ClassVar[Identity]
    """Set by `@schema`."""
    version: ClassVar[int]
    """Set by `@schema`; raised when stored results need an upgrade."""
    strict: ClassVar[StrictSchema]
    """Set by `@schema`: what is sent to the provider."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        try:
            return handler(source)
        except ImportError as error:  # EmailStr without email-validator, say
            fields = ", ".join(name for name, found in cls.model_fields.items() if _needs_import(found.annotation))
            message = f"{cls.__module__}.{cls.__qualname__}: the type of {fields or 'a base'} cannot be used: {error}"
            raise ComponentDefinitionError(message) from error


def _needs_import(annotation: Any) -> bool:
    """Whether a type needs a package that is not installed."""
    try:
        TypeAdapter(annotation)
    except ImportError:
        return True
    return False


RESERVED = ("namespace", "group", "name", "identity", "version", "strict")


def shadowed_fields(schema: type[OutputSchema]) -> list[str]:
    """Fields whose name a base or mixin uses for a class attribute.

    Pydantic would take that attribute for the field's default: an answer without the field would pass.
    """
    return [name for name in RESERVED if name in schema.model_fields and any(name in vars(b) for b in schema.__mro__)]
