"""One claimed call on its way: what the steps of `execute.py` share."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from orchestration.conf import clients_settings
from orchestration.engine.claim import Lease
from orchestration.engine.journal import Journal
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.base import Provider
from orchestration.providers.clients import open_provider
from orchestration.types import Response, Usage

if TYPE_CHECKING:
    from orchestration.services import DjangoBaseService


class Interruption(Enum):
    """Why a running call was stopped from outside."""

    CANCELLED = "cancelled"
    GIVEN_BACK = "given back"
    LOST = "lost"


class Providers:
    """The open clients of one event loop, opened when first used."""

    def __init__(self) -> None:
        self._open: dict[str, Provider] = {}

    def get(self, client_name: str | None) -> Provider:
        """The provider of a client of ORCA_CONFIG, None for the default; ProviderError when it cannot be opened."""
        name = client_name or clients_settings().default_client
        if name not in self._open:
            self._open[name] = open_provider(name)
        return self._open[name]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for provider in self._open.values():
            await provider.aclose()


@dataclass(slots=True, kw_only=True)
class Runtime:
    """What all calls of one event loop share."""

    journal: Journal
    providers: Providers
    immediate: bool = False
    """A caller waits: failures are retried in place instead of being queued again."""


@dataclass(slots=True, kw_only=True)
class CallSession:
    """The state of one claimed call while it runs."""

    record: ServiceCallRecord
    runtime: Runtime
    body: Callable[[CallSession], Awaitable[Response]]
    lease: Lease = field(init=False)
    service: DjangoBaseService = field(init=False)
    attempt: int = field(init=False)
    """The number of the attempt that is open, 0 before the first."""
    failures: int = field(init=False)
    usage: Usage = field(default_factory=Usage)
    """Tokens of this attempt, its repair included."""
    request: AIRequestAudit | None = None
    """The last request that was audited."""
    in_flight: bool = False
    """It was handed to the provider and nothing is stored of what came back."""
    interruption: Interruption | None = None
    started: float = field(default_factory=time.monotonic)
    value: Any = None
    """What the service returned: a Response, or whatever an overridden execute() made."""
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.lease = Lease(self.record.pk, self.record.lease_token)
        self.attempt = self.record.attempts
        self.failures = self.record.failures

    @property
    def claimed_for(self) -> float:
        """Seconds since this worker claimed the call."""
        return time.monotonic() - self.started

    async def default_body(self) -> Response:
        """Render, send, validate: what `execute()` does when nobody overrides it."""
        return await self.body(self)
