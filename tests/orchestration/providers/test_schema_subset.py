"""From strict schemas to the subsets that other providers take."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from orchestration.components.strict_schema import adapt
from orchestration.providers.anthropic.wire import SUBSET as ANTHROPIC
from orchestration.providers.gemini.wire import SUBSET as GEMINI
from orchestration.providers.schema_subset import Subset, narrowed
from orchestration.providers.simulator.described_limits import with_described_limits


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    size: int = Field(ge=1, le=9, description="In cm")


class Whole(BaseModel):
    parts: list[Part] = Field(min_length=2, max_length=3)
    part: Part = Field(description="The main one")
    colour: Colour
    name: str = Field(max_length=5, pattern="^a+$", description="A name (short)")
    step: float = Field(multiple_of=0.5, gt=0, lt=10)
    when: Literal["now"]
    mail: str = Field(json_schema_extra={"format": "email"})


class Tree(BaseModel):
    name: str
    trees: list[Tree]


def strict(model: type[BaseModel]) -> dict[str, Any]:
    return adapt(model.model_json_schema(), "x").json_schema


def test_what_is_not_taken_is_said_in_words() -> None:
    found = narrowed(strict(Whole), ANTHROPIC)
    assert found.violations == ()
    properties = found.schema["properties"]
    assert properties["step"] == {
        "type": "number",
        "description": "(less than 10, greater than 0, a multiple of 0.5)",
    }
    assert properties["name"] == {
        "type": "string",
        "description": "A name (short) (at most 5 characters, matching the regular expression ^a+$)",
    }
    assert properties["parts"]["description"] == "(at most 3 items, at least 2 items)"
    assert properties["when"] == {"type": "string", "enum": ["now"]}
    assert properties["colour"] == {"$ref": "#/$defs/Colour"}
    assert found.schema["$defs"]["Part"]["properties"]["size"] == {
        "type": "integer",
        "description": "In cm (maximum 9, minimum 1)",
    }


def test_what_is_taken_stays() -> None:
    properties = narrowed(strict(Whole), GEMINI).schema["properties"]
    assert (properties["parts"]["minItems"], properties["parts"]["maxItems"]) == (2, 3)
    assert properties["mail"] == {"type": "string", "description": "(format email)"}
    assert "pattern" not in properties["name"]


def test_the_words_are_read_back() -> None:
    """The simulator knows the limits that a description states."""
    step = narrowed(strict(Whole), ANTHROPIC).schema["properties"]["step"]
    read = with_described_limits(step)
    assert (read["exclusiveMinimum"], read["exclusiveMaximum"], read["multipleOf"]) == (0, 10, 0.5)
    parts = with_described_limits(narrowed(strict(Whole), ANTHROPIC).schema["properties"]["parts"])
    assert (parts["minItems"], parts["maxItems"]) == (2, 3)


@pytest.mark.parametrize("subset", [ANTHROPIC, GEMINI])
def test_recursion_is_named_with_its_path(subset: Subset) -> None:
    violations = narrowed(strict(Tree), subset).violations
    assert violations == ("$defs.Tree.trees[]: a recursive reference (Tree)",)


def test_recursion_through_others_is_found_and_reuse_is_not() -> None:
    item = {"type": "object", "properties": {"next": {"$ref": "#/$defs/B"}}, "required": ["next"]}
    leaf = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    circle = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": item, "B": item}}
    assert "$defs.B.next: a recursive reference (B)" in narrowed(circle, ANTHROPIC).violations
    twice = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/L"}, "b": {"$ref": "#/$defs/L"}},
        "$defs": {"L": leaf},
    }
    assert narrowed(twice, ANTHROPIC).violations == ()


def test_an_enum_of_values_that_are_not_taken_is_named() -> None:
    schema = {"type": "object", "properties": {"sure": {"type": "boolean", "const": True}}}
    assert narrowed(schema, GEMINI).violations == ("$.sure: enum has values of a type that is not supported",)
    assert narrowed(schema, ANTHROPIC).schema["properties"]["sure"] == {"type": "boolean", "enum": [True]}


def test_an_unknown_keyword_is_named() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string", "contentEncoding": "base64"}}}
    assert narrowed(schema, GEMINI).violations == ("$.x: unsupported keyword contentEncoding",)
