"""Output schemas: pydantic models whose JSON schema fits strict structured output."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from orchestration.identity import Identity
from orchestration.strict import StrictSchema

RESERVED = frozenset({"namespace", "group", "name", "identity", "version", "strict"})
"""Class attributes of a schema that are just as well names of its fields."""


class _OutputSchemaMeta(type(BaseModel)):  # type: ignore[misc]  # the public way to pydantic's metaclass
    """Lets a schema have fields called `name`, `group` or `version` beside identity mixins that set these.

    Left alone, pydantic takes the mixin's value as the field's default: a missing `name` would pass as None.
    """

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> Any:
        annotations: dict[str, Any] = namespace.get("__annotations__", {})
        for field in RESERVED & annotations.keys() - namespace.keys():
            if "ClassVar" not in str(annotations[field]):
                namespace[field] = Field()
        with warnings.catch_warnings():
            pattern = rf'Field name "({"|".join(sorted(RESERVED))})" in .* shadows an attribute'
            warnings.filterwarnings("ignore", message=pattern, category=UserWarning)
            return super().__new__(mcs, name, bases, namespace, **kwargs)


class OutputSchema(BaseModel, metaclass=_OutputSchemaMeta):
    """What a service's answer must look like. Unknown keys are an error; `@schema` adapts and registers it."""

    model_config = ConfigDict(extra="forbid")

    identity: ClassVar[Identity]
    """Set by `@schema`."""
    version: ClassVar[int]
    """Set by `@schema`; raised when stored results need an upgrade."""
    strict: ClassVar[StrictSchema]
    """Set by `@schema`: what the provider gets."""
