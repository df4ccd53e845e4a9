"""Aliases: what they lead to, and what is said of those that lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from apps.gateway.checks import check_settings
from apps.gateway.routing.aliases import alias_plans

CLIENTS = {
    "main": {"provider": "simulator", "model": "m"},
    "spare": {"provider": "simulator", "model": "s"},
    "claude": {"provider": "anthropic", "model": "c"},
    "gemini": {"provider": "gemini", "model": "g"},
}


def configured(aliases: Any, **more: Any) -> override_settings:
    wanted = {**settings.GATEWAY, "ALIASES": aliases, **more}
    return override_settings(ORCA_CONFIG={"MODE": "pod", "CLIENTS": CLIENTS}, GATEWAY=wanted)


GOOD: list[tuple[Any, list[str], tuple[int, ...]]] = [
    ("main", ["main/m"], ()),
    ("main/x/y", ["main/x/y"], ()),
    (["main/a", "spare"], ["main/a", "spare/s"], ()),
    ({"client": "main", "model": "a"}, ["main/a"], ()),
    ("other", ["spare/s", "main/m"], ()),
    (["main", "other", "claude"], ["main/m", "spare/s", "claude/c"], ()),
    (["shared", "claude"], ["main/a", "spare/b", "claude/c"], (3, 1, 0)),
]


@pytest.mark.parametrize(("leads_to", "routes", "weights"), GOOD, ids=[str(case[0]) for case in GOOD])
def test_an_alias_leads_to_routes(leads_to: Any, routes: list[str], weights: tuple[int, ...]) -> None:
    """Text, objects, lists, and other aliases, of which each route is taken once."""
    shared = [{"client": "main", "model": "a", "weight": 3}, {"client": "spare", "model": "b", "weight": 1}]
    with configured({"fast": leads_to, "other": ["spare", "main"], "shared": shared, "main": ["main"]}):
        plan = alias_plans()["fast"]
        assert check_settings(None) == []
    assert [str(route) for route in plan.routes] == routes
    assert plan.weights == weights


BAD: dict[str, tuple[Any, str, str]] = {
    "nothing": ([], "gateway.E001", "ALIASES"),
    "no text": ("", "gateway.E001", "ALIASES"),
    "a number": (7, "gateway.E001", "ALIASES"),
    "half a route": ("main/", "gateway.E001", "ALIASES"),
    "a route twice": (["main", "main"], "gateway.E001", "main is named twice"),
    "itself": ("fast", "gateway.E005", "'fast' names itself, so it leads to no model"),
    "itself among others": (["main", "fast"], "gateway.E005", "'fast' names itself"),
    "a circle": ("round", "gateway.E005", "'fast' → 'round' → 'fast' is a circle"),
    "no such client": (
        "rack/m",
        "gateway.E005",
        "'fast' goes to 'rack/m', and there is no such client (there are main",
    ),
    "no such alias": ("quick", "gateway.E005", "no such alias (others are: round)"),
    "a weight of an alias": ([{"client": "round", "weight": 2}], "gateway.E005", "gives the alias 'round' a weight"),
    "another api": ("gemini", "gateway.E004", "'fast' goes to the client 'gemini'. The provider gemini speaks neither"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_alias_that_leads_nowhere_is_an_error(name: str) -> None:
    leads_to, code, said = BAD[name]
    with configured({"fast": leads_to, "round": "fast" if name == "a circle" else "main"}):
        [error] = check_settings(None)
    assert error.id == code
    assert said in error.msg


@pytest.mark.parametrize("alias", ["", "x" * 129, "a\nb"])
def test_an_alias_has_a_name_that_a_client_can_send(alias: str) -> None:
    with configured({alias: "main"}):
        [error] = check_settings(None)
    assert error.id == "gateway.E001"


def test_the_codes_are_those_of_the_engine_or_its_own() -> None:
    with configured({"fast": "main"}):
        assert "provider_unavailable" in alias_plans()["fast"].on
    with configured({"fast": "main"}, FALLBACK_ON=["timeout"]):
        assert alias_plans()["fast"].on == {"timeout"}
    with configured({"fast": "main"}, FALLBACK_ON=["teatime"]):
        [error] = check_settings(None)
    assert "teatime is not a code after which a call can continue" in error.msg
