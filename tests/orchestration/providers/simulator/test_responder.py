"""Responders of the settings answer before the simulator makes up a value."""

from __future__ import annotations

import json
import random
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from orchestration.errors import NotConfigured
from orchestration.providers.registry import open_provider
from orchestration.providers.simulator.model import Simulation
from orchestration.providers.simulator.prompt_reader import Material
from orchestration.providers.simulator.responder import Responder, responders
from orchestration.providers.simulator.schema_values import value_for

NO_FUNCTION = "a text"
SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "title": {"type": "string"},
        "open": {"type": "boolean"},
        "mark": {"type": "integer", "minimum": 1, "maximum": 9},
        "parts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "size": {"enum": ["small", "large"]}},
                "required": ["name", "size"],
            },
        },
    },
    "required": ["text", "title", "open", "mark", "parts"],
}


class Clerk(Responder):
    def reply(self) -> str:
        return "It is in stock."

    def text(self, name: str) -> str:
        return f"the {name}"

    def decides(self, name: str) -> bool:
        return name == "open"

    def rates(self, name: str, low: float, high: float) -> float:
        return high

    def rows(self, name: str, fields: frozenset[str]) -> list[dict[str, Any]]:
        return [{"name": f"{name} of {','.join(sorted(fields))}", "size": "lar"}]


def clerk(material: Material, rng: random.Random) -> Clerk | None:
    return Clerk(material, rng) if "clerk" in material.instructions else None


def anybody(material: Material, rng: random.Random) -> Responder:
    return Responder(material, rng)


def answer(prompt: str, *makers: Any) -> Any:
    return value_for(SCHEMA, seed=b"1", message="Is it?", texts=[prompt, "Is it?"], responders=makers)


def test_a_responder_gives_each_part_that_it_knows() -> None:
    assert answer("You are a clerk.", clerk) == {
        "text": "It is in stock.",
        "title": "the title",
        "open": True,
        "mark": 9,
        "parts": [{"name": "parts of name,size", "size": "large"}],
    }


def test_a_prompt_without_a_responder_is_answered_by_its_schema() -> None:
    assert answer("You are a cook.", clerk) == answer("You are a cook.")


def test_the_first_responder_that_knows_the_prompt_answers() -> None:
    assert answer("You are a clerk.", anybody, clerk) == answer("You are a clerk.")


def said(prompt: str) -> str:
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": "Is it?"}]
    _, outgoing = Simulation().answer("/responses", json.dumps({"model": "m", "input": messages}).encode())
    return outgoing.body.decode()


def test_the_setting_registers_responders_and_answers_follow_it() -> None:
    before = said("You are a clerk.")
    with override_settings(ORCHESTRAI=settings.ORCHESTRAI | {"SIMULATOR_RESPONDERS": [f"{__name__}:clerk"]}):
        assert responders() == (clerk,)
        assert "It is in stock." in said("You are a clerk.")
    assert "It is in stock." not in before
    assert "It is in stock." not in said("You are a clerk.")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("no_module", 'must be "module:function"'),
        (f"{__name__}:clerk:", 'must be "module:function"'),
        ("no_such.module:name", "no_such.module cannot be imported"),
        (f"{__name__}:nobody", "has no 'nobody'"),
        (f"{__name__}:NO_FUNCTION", "is a str, not a function"),
    ],
)
def test_a_path_that_cannot_be_used_is_refused_before_any_answer(path: str, why: str) -> None:
    client = {"MODE": "single", "CLIENT": {"provider": "simulator"}}
    orchestrai = settings.ORCHESTRAI | {"SIMULATOR_RESPONDERS": [path]}
    with override_settings(ORCHESTRAI=orchestrai, ORCA_CONFIG=client):
        with pytest.raises(NotConfigured, match="SIMULATOR_RESPONDERS") as raised:
            open_provider("default")
        with pytest.raises(CommandError, match="SIMULATOR_RESPONDERS"):
            call_command("simulated_provider", port=0, stdout=StringIO())
    assert why in str(raised.value)


RANGES = {
    "type": "object",
    "properties": {
        name: {"type": "integer", "minimum": 0, "maximum": 500}
        for name in ("weeks_max", "weeks_min", "min_age", "max_age", "minutes", "maxutes")
    },
    "required": ["weeks_max", "weeks_min", "min_age", "max_age", "minutes", "maxutes"],
}


def test_ranges_are_in_order() -> None:
    made = [value_for(RANGES, seed=bytes([number])) for number in range(40)]
    assert all(each["weeks_min"] <= each["weeks_max"] and each["min_age"] <= each["max_age"] for each in made)
    assert any(each["minutes"] > each["maxutes"] for each in made), "only what names a range is one"


class Picker(Responder):
    def picks(self, name: str, options: list[Any]) -> Any:
        return options[-1]

    def rates(self, name: str, low: float, high: float) -> float:
        return 0.25 if name == "score" else low

    def rows(self, name: str, fields: frozenset[str]) -> list[Any] | None:
        return [{"done": True, "count": 7, "flag": False}] if name == "rows" else None


def test_a_responder_sets_choices_numbers_and_rows() -> None:
    row = {"done": {"type": "boolean"}, "count": {"type": "integer"}}
    row["flag"] = {"anyOf": [{"type": "boolean"}, {"type": "null"}]}
    parts = {
        "kind": {"enum": ["a", "b", "c"]},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "rows": {"type": "array", "items": {"type": "object", "properties": row, "required": list(row)}},
    }
    schema = {"type": "object", "properties": parts, "required": list(parts)}
    made = value_for(schema, seed=b"1", responders=(lambda material, rng: Picker(material, rng),))
    assert made == {"kind": "c", "score": 0.25, "rows": [{"done": True, "count": 7, "flag": False}]}
