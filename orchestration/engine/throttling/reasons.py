"""Why calls of a kind do not start at present."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestration.models.call_kinds import CallKind
from orchestration.routes import RoutePattern


@dataclass(frozen=True, slots=True)
class ThrottleReason:
    """Why some calls do not start at present."""

    code: str
    """`paused`, `circuit_open` or `rate_limited`."""
    what: str
    routes: RoutePattern | None = None
    service: str = ""
    """The identity of the one that is held, when `routes` is None."""
    until: datetime | None = None
    """None: until an operator resumes, or a probe succeeds."""

    def applies_to(self, kind: CallKind) -> bool:
        return kind.service_identity == self.service if self.routes is None else self.routes.matches(kind.route)


def code_of(reasons: Sequence[ThrottleReason], kind: CallKind) -> str:
    """Why calls of this kind do not start, as a code; empty when they do."""
    return next((reason.code for reason in reasons if reason.applies_to(kind)), "")
