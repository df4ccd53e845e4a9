"""The interface of service classes to the engine, and the components that a service is wired to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from orchestration.components.approval import Approval
from orchestration.components.identity import Identity
from orchestration.components.prompts import PromptSection
from orchestration.components.schemas import OutputSchema
from orchestration.components.tools import Tool, ToolLimits
from orchestration.retry import RetryPolicy
from orchestration.types import JsonObject, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """The components that one service uses."""

    schema: type[OutputSchema] | None = None
    """None: the service answers in free text."""
    sections: tuple[type[PromptSection], ...] = ()
    """In plan order; rendering sorts them by weight."""
    codec: type[Any] | None = None
    tools: Mapping[str, Tool] = field(default_factory=dict)
    """Those that the engine runs, by name."""
    described_tools: Sequence[JsonObject] = ()
    """What the model is told of these, and of tools of its provider."""


class Service(Protocol):
    """What every service has; `orchestration.services.DjangoBaseService` is what authors derive from."""

    required_context_keys: ClassVar[Sequence[str]]
    schema: ClassVar[type[OutputSchema] | str | None]
    prompt_plan: ClassVar[Sequence[type[PromptSection] | str] | None]
    codec: ClassVar[type | str | None]
    model: ClassVar[str | None]
    client: ClassVar[str | None]
    routes: ClassVar[Sequence[str | JsonObject] | None]
    fallback_on: ClassVar[Sequence[str] | None]
    retry: ClassVar[RetryPolicy | None]
    parameters: ClassVar[JsonObject]
    timeout: ClassVar[float | None]
    stream: ClassVar[bool | str]
    content_kinds: ClassVar[Sequence[str]]
    tools: ClassVar[Sequence[Tool | JsonObject]]
    tool_limits: ClassVar[ToolLimits]
    approval: ClassVar[Approval | None]
    identity: ClassVar[Identity]
    wiring: ClassVar[Wiring]
    overrides_execute: ClassVar[bool]
    _default_body: Callable[[], Awaitable[Response]] | None
    """Set while a recorded call runs: renders, sends and validates."""

    def __init__(self, **options: Any) -> None: ...

    def needs_approval(self, response: Response) -> str | None: ...

    async def execute(self, **payload: Any) -> Any: ...
