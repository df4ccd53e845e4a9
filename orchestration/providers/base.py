"""The interface to model providers: a request, its answer, and the contract of a provider."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from orchestration.conf import ClientSettings
from orchestration.errors import NotConfigured, ProviderError
from orchestration.providers.capabilities import Capability
from orchestration.providers.content import TEXT_ALONE, ContentSupport, content_violations, kinds_of
from orchestration.providers.keys import KeyVariable
from orchestration.providers.streams.reading import Heard
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
    """Sampling parameters such as temperature, passed through unchanged but for the names that all providers share
    (`orchestration/providers/parameters.py`)."""
    tools: list[JsonObject] = field(default_factory=list)
    timeout: float = 60.0
    """Seconds from sending to the last byte."""
    context: JsonObject = field(default_factory=dict)
    """The call's context. Never sent; the in-process simulator reads it."""
    service: str = ""
    """The identity of the call's service. Never sent; scripted providers of tests read it."""
    request_id: str = ""
    """Ours, printable ASCII without personal data: sent as `X-Client-Request-Id`, so that the provider's logs (and
    the simulated provider's request log) can be compared with the audits. Empty: not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResponse:
    """One answer, with the provider's own JSON and what was read from it."""

    raw: JsonObject
    text: str
    """The answer's text, concatenated; empty on a refusal."""
    refusal: str | None = None
    truncated: bool = False
    """The answer was cut off (length or content filter): `finish_reason` says by what."""
    filtered: bool = False
    """The provider's content filter withheld the answer, or its rest."""
    tool_calls: list[JsonObject] = field(default_factory=list)
    """`{"id", "name", "arguments"}`; the arguments are JSON text."""
    finish_reason: str = ""
    provider_response_id: str = ""
    model: str = ""
    service_tier: str = ""
    usage: Usage = field(default_factory=Usage)
    http_status: int = 200
    first_byte_ms: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """Rate-limit headers in lower case, as OpenAI calls them (`x-ratelimit-remaining-requests`, `retry-after`), and
    nothing else."""
    is_storable: bool = False
    """The provider saw to it that the audit's columns hold `raw` and the short texts as they are; else it is checked
    once more, which costs as much as reading the answer."""


class Api(StrEnum):
    """An API that callers may speak themselves through a provider (`orchestration/providers/passthrough.py`)."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    """Its Messages API."""


class NoOptions(BaseModel):
    """A provider whose clients take no `options`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Provider(ABC):
    """A model provider. One instance asks for one client of ORCA_CONFIG, and lives as long as its event loop.

    A client names the class, by a short name or by its dotted path (`orchestration/providers/registry.py`). The module
    of a class is imported by web processes, too, for their checks: it must be cheap, so a library that is large is
    imported when a provider is opened. `docs/providers.md` says how to write one, and which tests come with it.
    """

    name: ClassVar[str]
    """As stored in audits and prices: 1-64 characters of `[a-z0-9_-]`."""
    surfaces: ClassVar[tuple[str, ...]]
    """The names of its APIs, at most 32 characters each; the first one is the default."""
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    Options: ClassVar[type[BaseModel]] = NoOptions
    """What a client's `options` may hold."""
    default_url: ClassVar[str | None] = None
    """Where requests go without `base_url`; None: a client must have one."""
    key_variables: ClassVar[tuple[KeyVariable, ...]] = ()
    """Where the key of a client is that names no variable, and where each may go."""
    key_header: ClassVar[tuple[str, str]] = ("Authorization", "Bearer ")
    """The header that a key goes into, and what stands before it. A token is always a bearer token."""
    key_required: ClassVar[bool] = True
    """False: a client without a key is asked without one."""
    passthrough_apis: ClassVar[frozenset[Api]] = frozenset({Api.OPENAI})
    """What callers may speak below `passthrough_base`."""

    def __init__(self, client_name: str, client: ClientSettings) -> None:
        self.client_name = client_name
        self.client = client
        self.surface = client.surface or self.surfaces[0]

    @abstractmethod
    async def send(self, request: ProviderRequest) -> ProviderResponse:
        """Send once, no retries. Cancelling it closes the HTTP request.

        Raises ProviderError for whatever went wrong: with `sent=False` when nothing left this process, with what the
        request cost in `usage`, with a code of `orchestration/providers/errors.py`. Its text holds neither the prompt
        nor the answer nor a key. PaidRequestsForbidden where ALLOW_PAID_REQUESTS is off and the request would leave
        this machine.
        """

    async def stream(self, request: ProviderRequest, heard: Heard) -> ProviderResponse:
        """As `send`, and `heard` is told each piece of the answer's text while it comes. What it is told is to be shown
        and no more: what is returned, or raised, is the truth. A provider without the capability tells all at once."""
        answer = await self.send(request)
        if answer.text:
            heard(answer.text)
        return answer

    @abstractmethod
    async def aclose(self) -> None:
        """Close connections."""

    @classmethod
    def schema_violations(cls, surface: str, schema: JsonObject) -> list[str]:
        """Why its structured output cannot express an adapted strict schema, as `path: rule` lines."""
        return []

    @classmethod
    def content_support(cls, surface: str) -> ContentSupport:
        """Which images, audio and files its messages may have."""
        return TEXT_ALONE

    @classmethod
    def passthrough_base(cls, client: ClientSettings) -> str:
        """The URL below which its `passthrough_apis` answer, for callers that speak them themselves; NotConfigured
        where none does."""
        raise NotConfigured(
            f"The provider {cls.name} speaks neither OpenAI's API nor Anthropic's, so nothing is passed through to it."
        )

    @classmethod
    def passthrough_headers(cls, client: ClientSettings) -> dict[str, str]:
        """Headers that its API asks for with what is passed through, besides those of content and credential."""
        return {}

    def check(self, request: ProviderRequest) -> None:
        """ProviderError, before anything is sent, for a request that this provider cannot express."""
        lacking = missing_capabilities(
            self.client,
            type(self),
            with_schema=request.schema is not None,
            with_tools=bool(request.tools),
            with_content=kinds_of(request.messages),
        )
        if lacking:
            raise ProviderError(
                f"Client {self.client_name!r} ({self.name}) cannot do this: {', '.join(lacking)}.",
                code="capability_missing",
                sent=False,
            )
        refused = content_violations(self.content_support(self.surface), request.messages)
        if refused:
            message = f"{self.name} ({self.surface}) cannot take this content: {'; '.join(refused)}."
            raise ProviderError(message, code="content_not_supported", sent=False)
        violations = [] if request.schema is None else self.schema_violations(self.surface, request.schema)
        violations += tool_violations(type(self), self.surface, request.tools)
        if violations:
            raise ProviderError(schema_message(self.name, violations), code="schema_not_supported", sent=False)


def missing_capabilities(
    client: ClientSettings,
    cls: type[Provider],
    *,
    with_schema: bool,
    with_tools: bool,
    with_content: Iterable[Capability] = (),
) -> list[Capability]:
    """Which capabilities a request needs that its client has not."""
    needed = [
        *([Capability.STRUCTURED_OUTPUT] if with_schema else []),
        *([Capability.TOOLS] if with_tools else []),
        *with_content,
    ]
    return [capability for capability in needed if capability not in cls.capabilities or capability in client.without]


def tool_violations(cls: type[Provider], surface: str, tools: Iterable[JsonObject]) -> list[str]:
    """Why a provider cannot express the parameters of tools that are to be followed strictly."""
    functions = (tool.get("function", tool) for tool in tools)
    return [
        f"tool {function.get('name')}: {violation}"
        for function in functions
        if isinstance(function, dict) and function.get("strict") and isinstance(function.get("parameters"), dict)
        for violation in cls.schema_violations(surface, function["parameters"])
    ]


def schema_message(provider: str, violations: list[str]) -> str:
    """What to say of a schema that a provider cannot express."""
    return f"{provider} cannot express this schema: {'; '.join(violations)}."
