"""Routes: which model client and which model a call uses, and the patterns by which operators name them."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from django.db.models import Q

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
