"""What a request asks: a model at a client of ORCA_CONFIG; and which of several it asks first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from apps.gateway.errors import GatewayError
from apps.gateway.routing.health import RouteHealth
from orchestration.routes import Route

OF_OUR_ACCOUNT = frozenset(
    {
        *("provider_auth", "provider_forbidden", "provider_key_missing", "provider_key_invalid"),
        *("provider_token_failed", "insufficient_quota", "not_configured", "paid_requests_forbidden"),
    }
)
"""Codes that only the record tells."""
PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Target:
    """One route that a request may take."""

    named: str
    """The model or the alias for which it is there."""
    route: Route
    provider: str
    """As in prices."""
    on: frozenset[str] = frozenset()
    """Error codes after which a request goes to the next target of the same alias."""
    is_alias: bool = True
    held: str = ""
    """Why it is not asked now, as a code."""
    is_last_resort: bool = False
    """It is asked although something holds it, because all of them are held."""

    @classmethod
    def plain(cls, model: str, client: str, provider: str) -> Target:
        """Of a model that is not an alias."""
        return cls(model, Route(client, model), provider, is_alias=False)

    @property
    def priced(self) -> tuple[str, str]:
        """Provider and model, as prices are found by them."""
        return self.provider, self.route.model

    def goes_on_to(self, other: Target, failure: GatewayError) -> bool:
        """Whether another target may be asked after this failure."""
        return failure.recorded_as in self.on if other.named == self.named else failure.may_fall_back


@dataclass(frozen=True, slots=True)
class Passed:
    """A route that was not taken, or failed."""

    route: Route
    code: str

    def __str__(self) -> str:
        return f"{self.route}: {self.code}"

    @property
    def told(self) -> str:
        """What its client may know of it: nothing about our account at a provider."""
        return f"{self.route}: {'not_available' if self.code in OF_OUR_ACCOUNT else self.code}"


async def with_holds(targets: Sequence[Target], health: RouteHealth) -> tuple[Target, ...]:
    """The targets of one name, with what holds them. Where all are held, those are asked all the same that an operator
    did not pause: a request cannot wait as a call does."""
    if not targets[0].is_alias:
        return tuple(targets)
    held = await health.held(target.route for target in targets)
    marked = [replace(target, held=_held(target, held.get(target.route, ""))) for target in targets]
    if any(not target.held for target in marked):
        return tuple(marked)
    return tuple(each if each.held == PAUSED else replace(each, held="", is_last_resort=True) for each in marked)


def _held(target: Target, code: str) -> str:
    return code if code == PAUSED or code in target.on else ""


def without_repetition(targets: Iterable[Target]) -> tuple[Target, ...]:
    """The first of each route."""
    first: dict[Any, Target] = {}
    for target in targets:
        first.setdefault(target.route, target)
    return tuple(first.values())
