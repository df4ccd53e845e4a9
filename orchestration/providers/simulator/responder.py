"""Responders answer from what a prompt says, where the simulator alone generates whatever fits the schema.

A project names them in `ORCHESTRAI["SIMULATOR_RESPONDERS"]`, each as `"module:function"`. The function gets a prompt,
read, and the random numbers of this answer; it returns a Responder for the prompts that it knows and None for others.
The first one that returns a Responder is asked about each part of the schema, in the schema's order.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from orchestration.components.import_paths import import_named
from orchestration.conf import engine_settings
from orchestration.errors import NotConfigured
from orchestration.providers.simulator.prompt_reader import Material
from orchestration.types import JsonObject


class Responder:
    """Answers one prompt. What a method leaves to the simulator is None: so does this class everywhere."""

    most_items = 2
    """The longest list where the schema sets no length."""

    def __init__(self, material: Material, rng: random.Random) -> None:
        self._material = material
        self._rng = rng
        """The only source of randomness: the same prompt must get the same answer."""

    def reply(self) -> str | None:
        """The answer to what is said now: for texts called `message`, `answer` and so on, and where no schema is."""
        return None

    def text(self, name: str) -> str | None:
        """The text of another property."""
        return None

    def decides(self, name: str) -> bool | None:
        """The value of a boolean property."""
        return None

    def rates(self, name: str, low: float, high: float) -> float | None:
        """The value of a number property within the schema's bounds; of an integer, a whole number."""
        return None

    def picks(self, name: str, options: list[Any]) -> Any:
        """The value of an enum property outside of `rows`: one of its options."""
        return None

    def rows(self, name: str, fields: frozenset[str]) -> list[Any] | None:
        """The members of the list `name`: objects with these fields, of which the simulator adds what is missing, or
        values where there are no fields. No rows make an empty list, if the schema accepts one."""
        return None

    def option(self, options: list[Any], row: JsonObject, wanted: Any) -> Any:
        """The member of an enum for a row whose own value, `wanted`, is not one of the options."""
        named = (option for option in options if isinstance(option, str))
        return next((option for option in named if wanted and str(wanted) in option), options[0])


MakeResponder = Callable[[Material, random.Random], Responder | None]


def responders() -> tuple[MakeResponder, ...]:
    """Those that the settings name; NotConfigured says which of them cannot be imported, and why."""
    return _imported(engine_settings().SIMULATOR_RESPONDERS)


def responder_for(makers: tuple[MakeResponder, ...], material: Material, rng: random.Random) -> Responder:
    """The first that takes the prompt, else one that leaves everything to the simulator."""
    made = (make(material, rng) for make in makers)
    return next((responder for responder in made if responder is not None), Responder(material, rng))


@lru_cache(maxsize=8)
def _imported(paths: tuple[str, ...]) -> tuple[MakeResponder, ...]:
    setting = 'settings.ORCHESTRAI["SIMULATOR_RESPONDERS"]'
    found = []
    for path in paths:
        make = import_named(path, setting=setting, example="apps.support.simulator:answer_tickets")
        if not callable(make):
            raise NotConfigured(f"{setting}: {path} is a {type(make).__name__}, not a function.")
        found.append(make)
    return tuple(found)
