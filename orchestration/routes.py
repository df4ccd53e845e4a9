"""Routes: which model client and which model a call uses, the patterns by which operators name them, and the lists of
routes by which authors say where a call goes when it cannot go to the first."""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple, Self

from django.db.models import Q
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from orchestration.errors import InvalidCall

PATTERN = r"^(\*|[^/\s*]+)/([^\s*]+\*?|\*)$"
"""`client/model`: the client a name or `*`, the model a name, the start of one (`gpt-4o*`) or `*`."""


class Route(NamedTuple):
    """Where a call goes."""

    client: str
    """A name of ORCA_CONFIG; empty when the call was queued without one."""
    model: str
    """As asked for, not as answered."""

    def __str__(self) -> str:
        return f"{self.client}/{self.model}"


class RoutePattern(NamedTuple):
    """A set of routes, written `client/model`."""

    client: str
    model: str

    def __str__(self) -> str:
        return f"{self.client}/{self.model}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """InvalidCall says how a pattern is written."""
        match = re.match(PATTERN, text)
        if match is None:
            raise InvalidCall(
                f'{text!r} is not a route: write "client/model", such as "default/gpt-4o-mini", "default/gpt-4o*",'
                ' "default/*" or "*/*".'
            )
        return cls(*match.groups())

    @property
    def is_exact(self) -> bool:
        """Whether it matches one route only."""
        return self.client != "*" and not self.model.endswith("*")

    def matches(self, route: Route) -> bool:
        if self.client not in {"*", route.client}:
            return False
        return route.model.startswith(self.model[:-1]) if self.model.endswith("*") else route.model == self.model

    def condition(self) -> Q:
        """`matches` as a condition on rows of calls."""
        found = Q() if self.client == "*" else Q(client=self.client)
        if self.model == "*":
            return found or Q(pk__isnull=False)
        if self.model.endswith("*"):
            return found & Q(model_requested__startswith=self.model[:-1])
        return found & Q(model_requested=self.model)


# --- lists of routes --------------------------------------------------------------------------

MOST_ROUTES = 15
"""As many as `ServiceCallRecord.routes_left` has bits for."""
HOLDS = ("paused", "circuit_open", "rate_limited")
"""What may keep a call from a route before anything is sent. A provider's own 429 is `rate_limited`, too."""
DEFAULT_FALLBACK = (
    *HOLDS,
    *("timeout", "connection_error", "provider_unavailable", "provider_conflict", "malformed_response"),
    *("provider_auth", "provider_forbidden", "provider_key_missing", "provider_key_invalid", "provider_token_failed"),
    *("insufficient_quota", "model_not_found", "not_configured", "capability_missing", "schema_not_supported"),
    "content_not_supported",
)
"""The codes for which a call goes to its next route, unless its service says others: what another provider may not
have. Whatever is about the request, or about what was answered, it would most likely have, too."""
OTHER_CODES = (
    *("bad_request", "provider_error", "internal_error", "paid_requests_forbidden"),
    *("refused", "content_filter", "truncated", "invalid_output", "unexpected_tool_call"),
)
"""Further codes that a service may name."""


class RouteChoice(BaseModel):
    """One route of a list. Written as text it is `"client"` or `"client/model"`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client: Annotated[str, Field(min_length=1, max_length=64)]
    """A name of ORCA_CONFIG."""
    model: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """None: the client's own."""
    weight: Annotated[int, Field(ge=1, le=1000)] | None = None
    """The routes that have one share the calls in this proportion; those without take what the others cannot."""

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        client, slash, model = given.partition("/")
        return {"client": client, "model": model} if slash else {"client": client}


def _without_repetition(routes: tuple[RouteChoice, ...]) -> tuple[RouteChoice, ...]:
    named = [(route.client, route.model) for route in routes]
    twice = next((each for each in named if named.count(each) > 1), None)
    if twice is not None:
        raise ValueError(f"{'/'.join(filter(None, twice))} is named twice")
    return routes


def _known(codes: tuple[str, ...]) -> tuple[str, ...]:
    unknown = sorted(set(codes) - {*DEFAULT_FALLBACK, *OTHER_CODES})
    if unknown:
        known = ", ".join((*DEFAULT_FALLBACK, *OTHER_CODES))
        raise ValueError(f"{', '.join(unknown)} is not a code after which a call can continue; these are: {known}")
    return codes


Routes = Annotated[
    tuple[RouteChoice, ...], Field(min_length=1, max_length=MOST_ROUTES), AfterValidator(_without_repetition)
]
"""A list of routes, the preferred one first."""
FallbackCodes = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known)]
"""Codes for which a call goes to its next route."""
