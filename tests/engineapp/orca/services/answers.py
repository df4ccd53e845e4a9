"""Services whose answers, or own results, are odd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, field_validator

from orchestration.components import OutputSchema
from orchestration.decorators import schema, service
from orchestration.services import DjangoBaseService
from tests.engineapp.orca.services.triage import TriageOutputSchema, TriageSection


@schema
class MeasuredOutputSchema(OutputSchema):
    value: float
    values: list[float]


@service
class Measured(DjangoBaseService):
    """Its answer has plain floats."""

    prompt_plan = (TriageSection,)


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


@schema
class GuardedOutputSchema(OutputSchema):
    """Its validator raises what a test says."""

    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    text: str
    guard: ClassVar[Callable[[str], str]] = staticmethod(lambda text: text)

    @field_validator("text")
    @classmethod
    def guarded(cls, text: str) -> str:
        return cls.guard(text)


@service
class Guarded(DjangoBaseService):
    """Its answer has a validator of its own, and a tag."""

    prompt_plan = (TriageSection,)


class Made(DjangoBaseService):
    make: ClassVar[Callable[[], Any]] = staticmethod(lambda: None)
    """What `execute()` returns; a test says it."""

    async def execute(self, **payload: Any) -> Any:
        return type(self).make()


@service
class MadeFreely(Made):
    """Returns whatever a test wants, without a schema."""


@service
class MadeBySchema(Made):
    """Returns whatever a test wants, under a schema."""

    schema = TriageOutputSchema


@service
class Rewrites(DjangoBaseService):
    """Asks the model, and lets a test change the Response."""

    prompt_plan = (TriageSection,)
    schema = TriageOutputSchema
    change: ClassVar[Callable[[Any], Any]] = staticmethod(lambda response: response)

    async def execute(self, **payload: Any) -> Any:
        return type(self).change(await super().execute(**payload))
