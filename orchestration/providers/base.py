"""The seam to models: what the engine asks, what it gets, and the one switch that forbids paid requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestration.types import JsonObject, Message, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRequest:
    """One request, complete: everything in it is audited before it is sent."""

    model: str
    messages: list[Message]
    schema_name: str = ""
    """At most 64 characters of [A-Za-z0-9_-]; empty when the answer is free text."""
    schema: JsonObject | None = None
    """The adapted strict JSON schema."""
    parameters: JsonObject = field(default_factory=dict)
    """Sampling parameters such as temperature, passed through unchanged."""
    tools: list[JsonObject] = field(default_factory=list)
    timeout: float = 60.0
    """Seconds from sending to the last byte."""
    context: JsonObject = field(default_factory=dict)
    """The call's context. Never sent; the in-process simulator reads it."""
    request_id: str = ""
    """Ours, printable ASCII without personal data: sent as `X-Client-Request-Id`, so that the provider's logs (and
    the simulated provider's ledger) can be laid beside the audits. Empty: not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResponse:
    """One answer, with the provider's own JSON beside what was read out of it."""

    raw: JsonObject
    text: str
    """The answer's text, concatenated; empty on a refusal."""
    refusal: str | None = None
    truncated: bool = False
    """The answer was cut off (length or content filter): `finish_reason` says by what."""
    tool_calls: list[JsonObject] = field(default_factory=list)
    finish_reason: str = ""
    provider_response_id: str = ""
    model: str = ""
    service_tier: str = ""
    usage: Usage = field(default_factory=Usage)
    http_status: int = 200
    first_byte_ms: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """Rate-limit headers (`x-ratelimit-*`, `retry-after`) in lower case, nothing else."""


class Provider(Protocol):
    """A model provider. One instance lives as long as its event loop."""

    name: str
    """As stored in audits and prices: `openai`, `simulator`."""
    client_name: str
    """Which client of ORCA_CONFIG this is."""
    surface: str

    async def send(self, request: ProviderRequest) -> ProviderResponse:
        """Send once, no retries. Raises ProviderError, and asyncio.CancelledError closes the HTTP request."""

    async def aclose(self) -> None:
        """Close connections."""


class ProviderFactory(Protocol):
    """Makes the provider of a client of ORCA_CONFIG."""

    def __call__(self, client_name: str, client: Any) -> Provider: ...
