"""Values by type and length."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestration.values.described import described, lengths, names_in, names_of, path_of, shapes


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "a truth value"),
        ("", "text of 0 characters"),
        ("a" * 1200, "text of 1,200 characters"),
        (b"a", "1 byte"),
        (-7, "a negative number of 1 digit"),
        ([1, 2], "list of 2"),
        ({"secret": 1}, "object with 1 key"),
        (1.5, "a float"),
    ],
)
def test_a_value_is_described_by_type_and_length(value: Any, words: str) -> None:
    assert described(value) == words


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    lines: list[Cat] = []
    by_name: dict[str, int] = {}
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    size: int | str = 0


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        ({"lines": [{"kind": "cat", "lives": "x"}]}, "lines.0.lives"),
        ({"by_name": {"Mrs Jones": "x"}}, "by_name.<key>"),
        ({"by_name": {"Jones": "x"}}, "by_name.<key>"),
        ({"Jones": 1}, "<key>"),
        ({"pet": {"kind": "cat", "lives": "x"}}, "pet.cat.lives"),
        ({"size": []}, "size.int"),
        (7, "all"),
    ],
)
def test_a_place_names_what_the_schema_names_and_no_key(answer: Any, path: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Answer.model_validate(answer)
    place = raised.value.errors()[0]["loc"]
    assert path_of(place, names_in(Answer)) == path_of(place, names_of(raised.value)) == path


class Foreign:
    """JSON Schema knows nothing of it."""


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    foreign: Foreign


def test_of_a_model_without_a_schema_the_fields_are_known() -> None:
    assert path_of(("foreign", "Jones"), names_in(Holder)) == "foreign.<key>"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], ""),
        (["abc", "a"], "text of 1 to 3 characters"),
        (["a", "b"], "text of 1 characters"),
        ([1, -20, None], "number of 1 to 2 digits (2 of 3), nothing (1 of 3)"),
        ([True, [1], {"secret": 1}, 1.5], "a truth value (1 of 4), list of 1 items (1 of 4)"),
    ],
)
def test_many_values_are_described_by_what_they_share(values: list[Any], words: str) -> None:
    assert shapes(values).startswith(words)
    assert "secret" not in shapes(values)


def test_texts_that_the_database_measured_are_described_alike() -> None:
    assert lengths([3, 1]) == "text of 1 to 3 characters"
    assert lengths([3, None]) == "text of 3 characters (1 of 2), nothing (1 of 2)"
    assert lengths([]) == ""
