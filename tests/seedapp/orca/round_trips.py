"""Schemas of every kind that pydantic has, each with a service and with a handler that keeps what it read."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID, uuid4

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    Json,
    PrivateAttr,
    RootModel,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)  # fmt: skip
from pydantic.alias_generators import to_camel

from orchestration.components import OutputSchema
from orchestration.decorators import schema, service
from orchestration.services import DjangoBaseService
from orchestration.types import Response
from persistence.handlers import BasePersistenceHandler, persistence_handler
from tests.engineapp.orca.services.triage import TriageSection
from tests.seedapp.models import Message

T = TypeVar("T")
SERVICES: dict[type[OutputSchema], Any] = {}
ANSWERS: dict[type[OutputSchema], dict[str, Any]] = {}
"""What the model answers."""
ALWAYS = 0
RUNS: list[str] = []
"""Each run of the validator of `Counted`."""


def answered_with(**answer: Any) -> Any:
    """Register a schema, with a service that asks for it and a handler that keeps what it read of an answer."""

    def decorate(cls: Any) -> Any:
        made = schema(group="round_trips")(cls)
        ANSWERS[made] = answer
        named = {"group": "round_trips", "name": f"{cls.__name__}Round"}
        body = {"schema": made, "prompt_plan": (TriageSection,), "required_context_keys": ("ticket",)}
        asks = type(f"Ask{cls.__name__}", (DjangoBaseService,), {"__module__": __name__, **body})
        SERVICES[made] = service(**named)(asks)
        keeps = {"__module__": __name__, "schema": made, "persist": keep}
        persistence_handler(**named)(type(f"Keep{cls.__name__}", (BasePersistenceHandler,), keeps))
        return made

    return decorate


def keep(handler: BasePersistenceHandler, response: Response) -> Message:
    read = handler.schema.model_validate(response.structured_data)
    return Message.objects.create(role="round trip", content=repr(read))


class Mood(StrEnum):
    CALM = "calm"


class Level(IntEnum):
    HIGH = 3


class Weight(Enum):
    HALF = 0.5


class Inner(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    long_name: int
    hidden: str = Field(exclude=True)


class Frozen(BaseModel, frozen=True):
    n: int


@dataclass
class Point:
    x: int
    y: int = Field(alias="why")


class Names(RootModel[list[str]]):
    pass


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(alias="livesLeft")


class Dog(BaseModel):
    kind: Literal["dog"]
    good: bool


@answered_with(group="salts", text="a")
class Aliased(OutputSchema):
    group_: str = Field(alias="group")
    text_: str = Field(validation_alias="text", serialization_alias="words")


@answered_with(longName=1, shortName="s")
class Generated(OutputSchema):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    long_name: int
    short_name: str


@answered_with(first=1)
class Chosen(OutputSchema):
    one: int = Field(validation_alias=AliasChoices("first", "second", AliasPath("third", 0)))


@answered_with(one=1)
class ByName(OutputSchema):
    model_config = ConfigDict(validate_by_alias=False, validate_by_name=True)

    one: int = Field(alias="eins")


@answered_with(n=2)
class Computed(OutputSchema):
    n: int

    @computed_field
    def double(self) -> int:
        return 2 * self.n


@answered_with(kept=1, left_out="secret", inner={"longName": 2, "hidden": "h"})
class Excluded(OutputSchema):
    kept: int
    left_out: str = Field(exclude=True)
    inner: Inner


@answered_with(at="2026-01-02T03:04:05+02:00", n=1)
class Serialized(OutputSchema):
    at: datetime
    n: int

    @field_serializer("at")
    def year(self, value: datetime) -> int:
        return value.year

    @model_serializer
    def nothing(self) -> str:
        return "something else"


@answered_with(numbers="[1, 2]", whole='{"n": 1}')
class InJson(OutputSchema):
    numbers: Json[list[int]]
    whole: Json[Frozen]


@answered_with(
    amount="1.10", number=2.5, at="2026-01-02T03:04:05Z", day="2026-01-02", lasting="PT1H", which=str(UUID(int=1)),
    raw="text", base="YWJj", link="https://a.example/x",
)  # fmt: skip
class Texts(OutputSchema):
    amount: Decimal
    number: Decimal
    at: datetime
    day: date
    lasting: timedelta
    which: UUID
    raw: bytes
    base: Base64Bytes
    link: HttpUrl


@answered_with(mood="calm", level=3, weight=0.5, digit=2, either="x", literal="calm")
class Values(OutputSchema):
    mood: Mood
    level: Level
    weight: Weight
    digit: Literal[1, 2]
    either: int | Literal["x"] | None
    literal: Literal[Mood.CALM]


@answered_with(either=10**16, large=-15 * 10**299, zero=0.0, text=10**16, exact=10**16)
class Numbers(OutputSchema):
    """PostgreSQL gives some floats back as whole numbers, and -0.0 without its sign."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    either: int | float
    large: int | float
    zero: float
    text: str
    exact: int


@answered_with(some=[2, 1, 2], frozen=[3], row=[1, 2], models=[{"n": 1}, {"n": 1}], at={"x": 1, "why": 2})
class Collections(OutputSchema):
    some: set[int]
    frozen: frozenset[int]
    row: tuple[int, ...]
    models: set[Frozen]
    at: Point


@answered_with(pet={"kind": "cat", "livesLeft": 9}, pets=[{"kind": "dog", "good": True}], names=["a", "b"])
class Unions(OutputSchema):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    pets: list[Cat | Dog]
    names: Names


@answered_with(n=1, text="a", inner={"n": 1})
class Strict(OutputSchema):
    model_config = ConfigDict(strict=True)

    n: int
    text: str
    inner: Frozen
    at: datetime | None = Field(default=None, strict=False)


class Box(OutputSchema, Generic[T]):
    content: T


@answered_with(content={"longName": 1, "hidden": "h"})
class Filled(Box[Inner]):
    pass


@answered_with(n=1, words=" a ")
class Changed(OutputSchema):
    """Validated twice, it would be another."""

    n: Annotated[int, AfterValidator(lambda n: n + 1)]
    words: str
    _mark: UUID = PrivateAttr(default_factory=uuid4)

    @field_validator("words", mode="before")
    @classmethod
    def listed(cls, value: str) -> str:
        return value.strip() * 2

    @model_validator(mode="before")
    @classmethod
    def takes_away(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Changes what it is given."""
        return {"n": data.pop("n") * 10, "words": data.pop("words")}

    @model_validator(mode="after")
    def more(self) -> "Changed":
        self.n += 1
        return self


@answered_with(inner={"n": 1, "more": 2})
class Lenient(OutputSchema):
    """What is unknown is ignored, what is left out has a default."""

    model_config = ConfigDict(extra="ignore")

    inner: Frozen
    default: list[str] = Field(default_factory=lambda: ["x"])


@answered_with(n=1)
class Counted(OutputSchema):
    n: int

    @model_validator(mode="after")
    def counts(self) -> "Counted":
        RUNS.append("validated")
        return self
