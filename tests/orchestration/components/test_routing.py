"""Where the calls of a service go: which routes there are, which one is first, which are left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from orchestration.components.routing import RoutePlan, any_routes, clients_asked, plan_of, route_of
from orchestration.routes import DEFAULT_FALLBACK, Route
from orchestration.services import DjangoBaseService
from tests.orchestration.routed import CLIENTS, with_clients

A, B, C = Route("a", "x"), Route("b", "y"), Route("c", "z")
PLAN = RoutePlan((A, B, C), (), frozenset({"timeout"}))


@pytest.fixture(autouse=True)
def clients() -> Iterator[None]:
    with with_clients:
        yield


def declared(**attributes: Any) -> type[DjangoBaseService]:
    return type("Declared", (DjangoBaseService,), attributes)


def test_each_route_has_a_bit() -> None:
    assert PLAN.all == 0b111
    left = PLAN.without(PLAN.all, B)
    assert PLAN.allowed(left) == (A, C)
    assert PLAN.without(left, B) == left
    assert PLAN.allowed(PLAN.without(PLAN.without(left, A), C)) == ()


def test_a_route_that_is_not_in_the_list_stands_for_the_first() -> None:
    assert (PLAN.asked(C), PLAN.asked(Route("gone", "x"))) == (C, A)


def test_calls_begin_with_the_first_route_or_by_weight() -> None:
    assert {PLAN.begin() for _ in range(20)} == {A}
    shared = RoutePlan((A, B, C), (1, 3, 0), frozenset())
    begun = Counter(shared.begin() for _ in range(400))
    assert 40 < begun[A] < 160
    assert begun[A] + begun[B] == 400


def test_models_come_from_the_clients_where_none_is_named() -> None:
    plan = plan_of(declared(routes=("main", "main/gpt-4o", {"client": "backup", "weight": 2})))
    assert plan is not None
    assert [str(route) for route in plan.routes] == ["main/gpt-4.1", "main/gpt-4o", "backup/gpt-4o-mini"]
    assert (plan.weights, plan.on) == ((0, 0, 2), frozenset(DEFAULT_FALLBACK))


@pytest.mark.parametrize(
    ("attributes", "routes", "asked"),
    [
        ({}, ["last/o3", "backup/gpt-4o-mini"], ["last", "backup"]),
        ({"routes": ("main",)}, ["main/gpt-4.1"], ["main"]),
        ({"client": "main"}, None, ["main"]),
        ({"model": "gpt-5"}, None, ["main"]),
    ],
)
def test_the_routes_for_all_are_of_those_that_name_nothing(
    attributes: dict[str, Any], routes: list[str] | None, asked: list[str]
) -> None:
    service = declared(**attributes)
    config = {"MODE": "pod", "CLIENTS": CLIENTS, "ROUTES": ["last", "backup"], "FALLBACK_ON": ["timeout"]}
    with override_settings(ORCA_CONFIG=config):
        plan = plan_of(service)
        assert (plan and [str(route) for route in plan.routes]) == routes
        assert plan is None or plan.on == {"timeout"}
        assert clients_asked(service) == asked
        assert any_routes()


def test_a_call_that_names_client_or_model_goes_there() -> None:
    service = declared(routes=("backup", "last"))
    assert str(route_of(service)) == "backup/gpt-4o-mini"
    assert str(route_of(service, model="o3")) == "backup/o3"
    assert str(route_of(service, client="main")) == "main/gpt-4.1"
    assert str(route_of(declared())) == "main/gpt-4.1"
