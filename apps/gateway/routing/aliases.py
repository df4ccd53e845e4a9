"""Aliases: names that clients may give as a model, each for a list of routes."""

from __future__ import annotations

from apps.gateway.conf import gateway_settings
from orchestration.components.routing import RoutePlan
from orchestration.conf import clients_settings
from orchestration.errors import NotConfigured
from orchestration.routes import Route, RouteChoice

HOW_TO = 'Write a client of ORCA_CONFIG, "client/model", or another alias.'
Weighted = tuple[Route, int]


def alias_plans() -> dict[str, RoutePlan]:
    """The routes of every alias; NotConfigured says which one leads nowhere, and why."""
    wanted = gateway_settings()
    on = frozenset(wanted.FALLBACK_ON or clients_settings().FALLBACK_ON)
    return {name: _plan(_routes_of(name, ()), on) for name in wanted.ALIASES}


def _plan(found: list[Weighted], on: frozenset[str]) -> RoutePlan:
    first: dict[Route, int] = {}
    for route, weight in found:
        first.setdefault(route, weight)  # two aliases within one may share a route
    weights = tuple(first.values())
    return RoutePlan(tuple(first), weights if any(weights) else (), on)


def _routes_of(alias: str, within: tuple[str, ...]) -> list[Weighted]:
    if alias in within:
        circle = " → ".join(map(repr, (*within[within.index(alias) :], alias)))
        said = f"{alias!r} names itself" if within[-1] == alias else f"{circle} is a circle"
        raise NotConfigured(f"GATEWAY: ALIASES: {said}, so it leads to no model.")
    choices = gateway_settings().ALIASES[alias]
    return [each for choice in choices for each in _routes_behind(choice, (*within, alias))]


def _routes_behind(choice: RouteChoice, within: tuple[str, ...]) -> list[Weighted]:
    """A client goes before an alias of its name, as in the routes of services."""
    clients = clients_settings().clients
    if choice.client in clients:
        model = choice.model or clients[choice.client].model
        return [(Route(choice.client, model), choice.weight or 0)]
    named = "/".join(filter(None, (choice.client, choice.model)))
    if named not in gateway_settings().ALIASES:
        others = ", ".join(sorted(set(gateway_settings().ALIASES) - set(within))) or "none"
        raise NotConfigured(
            f"GATEWAY: ALIASES: {within[-1]!r} goes to {named!r}, and there is no such client (there are"
            f" {', '.join(clients)}) and no such alias (others are: {others}). {HOW_TO}"
        )
    if choice.weight is not None:
        raise NotConfigured(
            f"GATEWAY: ALIASES: {within[-1]!r} gives the alias {named!r} a weight; only routes to a client have one."
        )
    return _routes_of(named, within)
