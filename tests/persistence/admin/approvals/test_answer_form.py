"""Fields made from a schema: what is shown, what is read back, and what is wrong stands beside its field."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from persistence.admin.approvals.answer_form import MOST_FIELDS, NOT_FINITE, NOT_JSON, AnswerForm


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Step(BaseModel):
    title: str
    minutes: int = Field(ge=1, le=90)


class Plan(BaseModel):
    name: str = Field(description="As on the door.")
    score: float
    count: int
    price: Decimal
    is_urgent: bool
    maybe: bool | None
    mood: Mood
    other_mood: Mood | None
    kind: Literal["a", 2]
    due: date | None
    at: datetime
    note: str | None
    steps: list[Step]
    tags: list[str] | None
    first: Step | None
    by_name: dict[str, int]
    either: int | list[int]


ANSWER: dict[str, Any] = {
    "name": "A  \r\n<b>",
    "score": 0.5,
    "count": 10**30,
    "price": "12.50",
    "is_urgent": True,
    "maybe": None,
    "mood": "good",
    "other_mood": None,
    "kind": 2,
    "due": "2026-11-30",
    "at": "2026-11-30T10:00:00+05:30",
    "note": "",
    "steps": [{"title": "one", "minutes": 5}, {"title": "two", "minutes": 6, "made_up": [1]}],
    "tags": None,
    "first": None,
    "by_name": {"x": 1},
    "either": [1, 2],
    "more than the schema says": {"kept": None},
}


def form(data: dict[str, Any] | None = None) -> AnswerForm:
    return AnswerForm(Plan.model_json_schema(), ANSWER if data is None else data)


def as_sent(made: AnswerForm) -> dict[str, str]:
    """What a browser sends of the form when nobody touches it: lines end with CR LF."""
    sent = {}
    for each in made.root.walk():
        if each.kind == "flag" and each.value:
            sent[each.name] = "on"
        elif each.kind not in {"object", "list", "missing", "flag"}:
            sent[each.name] = each.shown.replace("\r\n", "\n").replace("\n", "\r\n")
    return sent


def read(**changed: str) -> dict[str, Any]:
    made = form()
    sent = as_sent(made) | {f"answer/{name.replace('__', '/')}": value for name, value in changed.items()}
    return made.read(sent)


def test_what_nobody_touches_stays_exactly_as_it_is() -> None:
    made = form()
    assert json.dumps(made.read(as_sent(made))) == json.dumps(ANSWER)
    assert not made.is_refused


def test_each_kind_of_value_has_its_field() -> None:
    kinds = {each.name.removeprefix("answer/"): each.kind for each in form().root.walk()}
    assert (
        kinds
        | {
            "name": "long",
            "score": "number",
            "count": "whole",
            "price": "text",
            "is_urgent": "flag",
            "maybe": "choice",
            "mood": "choice",
            "other_mood": "choice",
            "kind": "choice",
            "due": "date",
            "at": "text",
            "steps": "list",
            "steps/1": "object",
            "steps/1/minutes": "whole",
            "tags": "missing",
            "first": "missing",
            "by_name": "json",
            "either": "json",
        }
        == kinds
    )
    assert form().root.find(("steps", 0, "minutes")).help == "At least 1, at most 90."  # type: ignore[union-attr]
    assert form().root.find(("name",)).help == "As on the door."  # type: ignore[union-attr]


def test_what_is_written_becomes_a_value_of_its_kind() -> None:
    given = read(
        name="B", score="1e3", count="7", maybe="true", mood='"bad"', kind='"a"', due="", steps__0__minutes="8",
        by_name='{"y": [1]}', note="", price="3.10",
    )  # fmt: skip
    assert given | {"name": "B", "score": 1000.0, "count": 7, "maybe": True, "mood": "bad", "kind": "a"} == given
    assert given | {"due": None, "note": "", "by_name": {"y": [1]}, "price": "3.10"} == given
    assert given["steps"][0] == {"title": "one", "minutes": 8}
    made = form()
    assert made.read({**as_sent(made), "answer/is_urgent": "on"})["is_urgent"] is True
    untold = as_sent(made)
    del untold["answer/is_urgent"]
    assert form().read(untold)["is_urgent"] is False


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("score", "1e400", NOT_FINITE),
        ("score", "nan", NOT_FINITE),
        ("by_name", "{", NOT_JSON),
        ("by_name", "[NaN]", NOT_JSON),
        ("by_name", "[" * 100_000, NOT_JSON),
        ("mood", "bad", NOT_JSON),
        ("count", "9" * 5000, NOT_FINITE),
        ("score", "a lot", None),
    ],
)
def test_what_cannot_be_read_is_told_beside_its_field(name: str, text: str, why: str | None) -> None:
    made = form()
    given = made.read(as_sent(made) | {f"answer/{name}": text})
    found = made.root.find((name,))
    assert found is not None
    assert found.errors == ([why] if why else [])
    assert found.shown == text
    assert why or given[name] == text


def test_lists_grow_and_shrink() -> None:
    made = form()
    data = made.read(as_sent(made))
    assert made.changed(data, {"add": "answer/steps"}) == ("steps", 2)
    assert data["steps"][2] == {"title": "", "minutes": None}
    assert made.changed(data, {"remove": "answer/steps/0"}) == ("steps",)
    assert [step["title"] for step in data["steps"]] == ["two", ""]
    assert made.changed(data, {"add": "answer/tags"}) == ("tags", 0)
    assert data["tags"] == [""]
    assert made.changed(data, {"add": "answer/first"}) == ("first",)
    assert data["first"] == {"title": "", "minutes": None}
    again = AnswerForm(Plan.model_json_schema(), data)
    assert again.changed(data, {"remove": "answer/first"}) == ("first",)
    assert data["first"] is None
    for nonsense in ("answer", "answer/nothing", "answer/steps/9", ""):
        before = json.dumps(data)
        assert again.changed(data, {"remove": nonsense}) is None
        assert json.dumps(data) == before


def test_errors_stand_with_the_innermost_field_or_with_the_whole() -> None:
    made = form()
    made.refuse(("steps", 1, "minutes", "function-wrap[x()]"), "too long")
    made.refuse(("nothing", "there"), "odd")
    made.refuse((), "not nice")
    assert made.root.find(("steps", 1, "minutes")).errors == ["too long"]  # type: ignore[union-attr]
    assert made.unplaced == ["nothing.there: odd", "not nice"]
    assert made.is_refused


def test_a_long_answer_has_no_more_fields_than_a_form_may_send() -> None:
    data = ANSWER | {"steps": [{"title": "x", "minutes": 1}] * 400, "tags": ["t"] * 590}
    made = form(data)
    assert len(as_sent(made)) < MOST_FIELDS + 50
    assert made.read(as_sent(made)) == data


def test_data_of_another_version_and_a_schema_in_a_circle() -> None:
    made = form({"name": ["not a text"], "steps": {"no": "list"}})
    assert {each.kind for each in (made.root.find(("name",)), made.root.find(("steps",))) if each} == {"json"}
    assert made.read(as_sent(made))["name"] == ["not a text"]

    class Node(BaseModel):
        name: str
        inner: Node | None = None

    Node.model_rebuild(_types_namespace={"Node": Node})
    data: dict[str, Any] = {"name": "0", "inner": None}
    for depth in range(30):
        data = {"name": str(depth), "inner": data}
    circle = AnswerForm(Node.model_json_schema(), data)
    assert circle.read(as_sent(circle)) == data
    broken = AnswerForm({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, {"a": 1})
    assert broken.root.kind == "json"


def test_labels_are_in_sentence_case_unless_somebody_wrote_them() -> None:
    class Titled(BaseModel):
        image_requested: bool
        drug: str = Field(title="Drug (INN)")

    form = AnswerForm(Titled.model_json_schema(), {"image_requested": True, "drug": "x"})
    assert [field.label for field in form.root.children] == ["Image requested", "Drug (INN)"]
