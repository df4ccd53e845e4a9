"""What the simulator makes up is always what the schema asks for."""

from __future__ import annotations

import enum
import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, IPvAnyAddress, create_model

from orchestration.components.strict_schema import adapt
from orchestration.providers.simulator.schema_values import CannotGenerate, value_for


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Mood(enum.StrEnum):
    CALM = "calm"
    TENSE = "tense"


class Line(Closed):
    role: Literal["user", "assistant"]
    content: Annotated[str, Field(min_length=3, max_length=120)]


class Talk(Closed):
    kind: Literal["talk"] = "talk"
    lines: Annotated[list[Line], Field(min_length=1, max_length=4)]
    mood: Mood | None


class Score(Closed):
    kind: Literal["score"] = "score"
    points: Annotated[int, Field(ge=0, lt=10, multiple_of=3)]
    share: Annotated[float, Field(gt=0, lt=1)]


class Union(Closed):
    item: Annotated[Talk | Score, Field(discriminator="kind")]
    anything: int | str | None


class Tree(Closed):
    name: str
    children: list[Tree]


class Chain(Closed):
    next: Chain | None
    other: Chain | Score


class Formats(Closed):
    moment: datetime
    day: date
    clock: time
    length: timedelta
    id: UUID
    email: Annotated[str, Field(json_schema_extra={"format": "email"})]
    address: AnyUrl


class Constrained(Closed):
    code: Annotated[str, Field(pattern=r"^[A-Z]{2}-\d{4}$")]
    slug: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=20)]
    negated: Annotated[str, Field(pattern=r"^[^\s,;]{2,5}$")]
    choice: Annotated[str, Field(pattern="^(yes|no|maybe)$")]
    short: Annotated[str, Field(max_length=2)]
    long: Annotated[str, Field(min_length=300)]
    below: Annotated[int, Field(lt=-5)]
    above: Annotated[float, Field(ge=1e6)]
    one: Annotated[float, Field(ge=1, le=1)]
    step: Annotated[float, Field(ge=0, le=10, multiple_of=0.5)]
    many: Annotated[list[int], Field(min_length=7, max_length=9)]
    none: Annotated[list[int], Field(max_length=0)]
    unique: Annotated[set[Literal["a", "b", "c"]], Field(min_length=3)]


class Plain(Closed):
    amount: Decimal
    address: IPvAnyAddress
    pair: tuple[int, str]
    labels: dict[str, int]
    flags: Annotated[dict[str, bool], Field(min_length=2)]
    nothing: None
    optional: str = "default"


MODELS = [Talk, Score, Union, Tree, Chain, Formats, Constrained]
SEEDS = st.binary(min_size=1, max_size=16)
MESSAGES = st.text(max_size=200)
unhurried = settings(deadline=None, max_examples=40)


def accepted(model: type[BaseModel], value: Any) -> bool:
    model.model_validate_json(json.dumps(value))
    return True


@pytest.mark.parametrize("model", [*MODELS, Plain])
@unhurried
@given(seed=SEEDS, message=MESSAGES)
def test_an_answer_fits_the_schema_as_pydantic_writes_it(model: type[BaseModel], seed: bytes, message: str) -> None:
    assert accepted(model, value_for(model.model_json_schema(), seed=seed, message=message))


@pytest.mark.parametrize("model", MODELS)
@unhurried
@given(seed=SEEDS, message=MESSAGES)
def test_an_answer_fits_the_model_where_the_schema_says_less(model: type[BaseModel], seed: bytes, message: str) -> None:
    strict = adapt(model.model_json_schema(), model.__name__).json_schema
    assert accepted(model, value_for(strict, seed=seed, message=message))


TYPES = st.recursive(
    st.sampled_from([int, float, str, bool, None, datetime, UUID, Mood, Literal["a", 1]]),
    lambda inner: st.one_of(
        inner.map(lambda part: list[part]),
        inner.map(lambda part: part | None if part is not None else None),
        st.dictionaries(st.sampled_from(["content", "name", "count", "first_name", "items"]), inner, max_size=3).map(
            lambda fields: create_model("Made", __base__=Closed, **{key: (kind, ...) for key, kind in fields.items()})
        ),
    ),
    max_leaves=8,
)


@unhurried
@given(kind=TYPES, seed=SEEDS)
def test_an_answer_fits_models_nobody_wrote(kind: Any, seed: bytes) -> None:
    model = create_model("Root", __base__=Closed, field=(kind, ...))
    assert accepted(model, value_for(model.model_json_schema(), seed=seed))


def test_the_same_seed_makes_the_same_value() -> None:
    schema = Union.model_json_schema()
    assert value_for(schema, seed=b"1") == value_for(schema, seed=b"1")
    assert len({json.dumps(value_for(schema, seed=bytes([number]))) for number in range(20)}) > 10


def test_reply_fields_refer_to_the_message_and_names_are_names() -> None:
    model = create_model("Reply", content=(str, ...), patient_name=(str, ...), diagnosis=(str, ...))
    value = value_for(model.model_json_schema(), seed=b"1", message="  My  knee\nhurts ")
    assert "My knee hurts" in value["content"]
    assert "imulated" in value["content"]
    assert value["patient_name"].count(" ") == 1
    assert value["diagnosis"] == "Simulated diagnosis"


def test_examples_in_a_description_are_taken() -> None:
    model = create_model("Hinted", triage=(str, Field(description="How urgent. One of: red, yellow, green.")))
    values = {value_for(model.model_json_schema(), seed=bytes([number]))["triage"] for number in range(30)}
    assert values == {"red", "yellow", "green"}


def test_scalars_of_the_context_are_taken_over_where_they_fit() -> None:
    model = create_model(
        "Known",
        session_id=(int, ...),
        language=(str, ...),
        count=(int, ...),
        level=(int, Field(ge=1, le=3)),
        on=(bool, ...),
    )
    context = {"session_id": 4711, "language": "de", "count": "many", "level": 99, "on": 1}
    value = value_for(model.model_json_schema(), seed=b"1", context=context)
    assert (value["session_id"], value["language"]) == (4711, "de")
    assert accepted(model, value)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (
            {
                "$ref": "#/$defs/A",
                "$defs": {"A": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"]}},
            },
            "infinitely recursive",
        ),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no integer"),
        ({"type": "number", "minimum": 3, "maximum": 2}, "no number"),
        ({"type": "string", "pattern": "(?=a)b"}, "pattern"),
        ({"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": True}, "different"),
        ({"$ref": "#/$defs/Nowhere"}, "Nowhere"),
        ({"type": "banana"}, "banana"),
        (False, "nothing"),
    ],
)
def test_a_schema_without_values_says_why(schema: Any, why: str) -> None:
    with pytest.raises(CannotGenerate, match=why):
        value_for(schema, seed=b"1")
