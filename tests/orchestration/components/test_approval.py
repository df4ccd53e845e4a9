"""What may be declared about approval."""

from datetime import timedelta

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Field

from orchestration.components import Approval


class Inner(BaseModel):
    unsure: bool


class Outer(BaseModel):
    inner: Inner | None
    text: str
    other_: Inner = Field(alias="other")
    chosen: bool = Field(validation_alias=AliasChoices("first", AliasPath("second", 0)))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"share": 101}, "share must be a percentage"),
        ({"share": float("nan")}, "share must be a percentage"),
        ({"rows": -1}, "rows must be 0 or more"),
        ({"persons": 3}, "persons must be 1 or 2"),
        ({"unsure_below": 0.5}, "needs the field's name"),
        ({"unsure": "a", "unsure_below": float("inf")}, "finite"),
        ({"deadline": timedelta(0)}, "longer than nothing"),
        ({"deadline": timedelta(hours=1)}, "escalate_to"),
        ({"at_deadline": "reject"}, "without a deadline"),
        ({"deadline": timedelta(hours=1), "at_deadline": "wait"}, "escalate, reject or approve"),
        ({"permission": "decide"}, "app.codename"),
    ],
)
def test_what_does_not_fit_is_refused_where_it_is_declared(declared, said):
    with pytest.raises(ValueError, match=said):
        Approval(**declared)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("inner.unsure", ""),
        ("inner.nothing", "no field 'nothing'"),
        ("text.more", "no field 'more'"),
        ("other.unsure", ""),
        ("other_.unsure", ""),
        ("other.nothing", "no field 'nothing'"),
        ("first", ""),
        ("second", "no field 'second'"),
    ],
)
def test_the_field_that_says_unsure_must_be_in_the_schema(path, fault):
    found = Approval(unsure=path).unknown_field(Outer)
    assert fault in found if fault else found == ""


def test_a_field_is_where_its_aliases_or_its_name_say():
    places = dict(Approval(unsure="other_.unsure").where_unsure(Outer))
    assert places == {"other_": [["other"], ["other_"]], "unsure": [["unsure"]]}
    assert dict(Approval(unsure="chosen").where_unsure(Outer)) == {"chosen": [["first"], ["second", 0], ["chosen"]]}
    assert dict(Approval(unsure="text.more").where_unsure(Outer))["more"] == []
