"""Which schemas run no code but pydantic's: only their answers are validated before they are stored."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from orchestration.components.schemas import OutputSchema
from orchestration.engine.execution.plain_schemas import is_plain


class Colour(Enum):
    RED = "red"


class Guess(Enum):
    ANY = "any"

    @classmethod
    def _missing_(cls, value: object) -> Guess:
        return cls.ANY


class Part(BaseModel):
    text: str
    parts: list[Part] = []


class Plain(OutputSchema):
    metadata: str
    number: Annotated[int, Field(ge=1)]
    at: datetime | None
    word: Annotated[str, Field(pattern="^a+$")]
    kind: Literal["a", "b"]
    colour: Colour
    parts: dict[str, Part]
    pair: tuple[int, str]
    either: int | Part


class WithValidator(OutputSchema):
    number: int

    @field_validator("number")
    @classmethod
    def check(cls, value: int) -> int:
        return value


class WithModelValidator(OutputSchema):
    number: int

    @model_validator(mode="after")
    def check(self) -> WithModelValidator:
        return self


class Inner(BaseModel):
    number: Annotated[int, AfterValidator(abs)]


class WithInnerValidator(OutputSchema):
    inner: list[Inner]


class WithPostInit(OutputSchema):
    number: int

    def model_post_init(self, context: Any) -> None:
        pass


class WithInit(OutputSchema):
    number: int

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)


class WithFactory(OutputSchema):
    numbers: list[int] = Field(default_factory=list)


class WithMissing(OutputSchema):
    guess: Guess


class WithPythonsEngine(OutputSchema):
    model_config = ConfigDict(regex_engine="python-re")
    word: Annotated[str, Field(pattern="^(a+)+$")]


class WithCompiledPattern(OutputSchema):
    word: Annotated[str, Field(pattern=re.compile("^(a+)+$"))]


class WithDecimal(OutputSchema):
    """`1e999999999` is quickly written and slowly checked."""

    amount: Annotated[Decimal, Field(multiple_of=Decimal("0.01"))]


def test_types_of_pydantic_alone_are_plain() -> None:
    assert is_plain(Plain)


@pytest.mark.parametrize(
    "schema",
    [
        WithValidator,
        WithModelValidator,
        WithInnerValidator,
        WithPostInit,
        WithInit,
        WithFactory,
        WithMissing,
        WithPythonsEngine,
        WithCompiledPattern,
        WithDecimal,
    ],
)
def test_what_may_run_or_take_anything_is_not_plain(schema: type[OutputSchema]) -> None:
    assert not is_plain(schema)
