"""Why calls of a kind do not start at present."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestration.models import Pause, ProviderCircuit, RateLimit
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
    why: str = field(default="", compare=False)
    """What of a limit is used up."""
    row: Pause | ProviderCircuit | RateLimit | None = field(default=None, compare=False)
    """What says so, where it is one of these."""

    @property
    def name(self) -> str:
        """What holds, as lists name it: `model default/*`, `client default`, `default/gpt-4o`."""
        return self.what.removeprefix("the ")

    @property
    def lasts(self) -> bool:
        """Whether it holds until a person ends it, so that it holds a call that is due tomorrow, too."""
        return self.code == "paused"

    def applies_to(self, kind: CallKind) -> bool:
        return kind.service_identity == self.service if self.routes is None else self.routes.matches(kind.route)


def code_of(reasons: Sequence[ThrottleReason], kind: CallKind) -> str:
    """Why calls of this kind do not start, as a code; empty when they do."""
    return next((reason.code for reason in reasons if reason.applies_to(kind)), "")
