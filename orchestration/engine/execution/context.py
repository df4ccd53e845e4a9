"""The context of one claimed call: what the steps of its execution share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Self

from orchestration.components.service import Service
from orchestration.conf import clients_settings
from orchestration.engine.execution.commands import Command, StoreAnswer
from orchestration.engine.execution.conversation import Conversation
from orchestration.engine.execution.group_commit import GroupCommit
from orchestration.engine.execution.tool_running import RunBlocking, in_callers_thread
from orchestration.engine.queue.claim import Lease
from orchestration.engine.queue.database_thread import when_database_answers
from orchestration.engine.streaming.relay import Relay
from orchestration.models import AIRequestAudit, PromptText, ServiceCallRecord
from orchestration.models.prompt_overrides import StoredTexts, known_texts, load_texts
from orchestration.providers.base import Provider
from orchestration.providers.registry import open_provider
from orchestration.types import Usage


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

    group_commit: GroupCommit
    providers: Providers
    immediate: bool = False
    """A caller waits: failures are retried in place instead of being queued again."""
    admit: Callable[[ServiceCallRecord], object] = bool
    """For such a caller: lets a call that goes to another route start there, or raises CallHeld. In the database's
    thread."""
    run_blocking: RunBlocking = in_callers_thread
    """How tools that are plain functions are run."""
    relay: Relay | None = None
    """Tells listeners what models say; None where nobody can listen."""
    _texts: asyncio.Task[StoredTexts] | None = None

    async def stored_texts(self) -> StoredTexts:
        """What operators wrote in place of sections. All calls that find it out of date wait for one reading."""
        known = known_texts()
        if known is not None:
            return known
        if self._texts is None or self._texts.done():
            self._texts = asyncio.create_task(when_database_answers(load_texts, PromptText.objects.texts))
        return await asyncio.shield(self._texts)  # a call that is cancelled leaves it to the others


@dataclass(slots=True, kw_only=True)
class CallContext:
    """The state of one claimed call while it runs."""

    record: ServiceCallRecord
    runtime: Runtime
    lease: Lease = field(init=False)
    service: Service = field(init=False)
    attempt: int = field(init=False)
    """The number of the attempt that is open, 0 before the first."""
    failures: int = field(init=False)
    usage: Usage = field(default_factory=Usage)
    """Tokens of this attempt, its repair included."""
    request: AIRequestAudit | None = None
    """The last request that was audited."""
    in_flight: bool = False
    """It was handed to the provider and nothing is stored of what came back."""
    conversation: Conversation | None = None
    """Of a service with tools, once its model asked for one."""
    kept: StoreAnswer | None = None
    """An answer that is stored with the result of the call."""
    interruption: Interruption | None = None
    moved: bool = False
    """It is queued again, and may be due at once: for another route, or since people decided meanwhile."""
    value: Any = None
    """What the service returned: a Response, or whatever an overridden execute() made."""
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.lease = Lease(self.record.pk, self.record.lease_token)
        self.attempt = self.record.attempts
        self.failures = self.record.failures

    async def write(self, command: Command) -> None:
        """Returns once `command` is committed; raises as the group commit does."""
        await self.runtime.group_commit.write(command)
