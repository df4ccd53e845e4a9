"""Anthropic's Messages API."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from orchestration.conf import ClientSettings
from orchestration.providers.anthropic.wire import MAX_TOKENS, MESSAGES
from orchestration.providers.base import Api, ProviderRequest
from orchestration.providers.capabilities import Capability
from orchestration.providers.http.provider import HttpProvider
from orchestration.providers.keys import KeyVariable, https_hosts
from orchestration.providers.wire import LIMIT_NAMES

VERSION = "2023-06-01"
"""The version of the API, which its reference asks for in a header."""


class AnthropicOptions(BaseModel):
    """`options` of a client."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_tokens: Annotated[int, Field(ge=1)] = MAX_TOKENS
    """The longest answer where the service's parameters do not say; the API wants a number."""
    beta: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], ...] = ()
    """Names of beta features, sent as `anthropic-beta`."""


class AnthropicProvider(HttpProvider):
    """Claude."""

    name = "anthropic"
    wires = {"messages": MESSAGES}
    capabilities = frozenset(
        {Capability.STRUCTURED_OUTPUT, Capability.TOOLS, Capability.STREAMING, Capability.IMAGES, Capability.FILES}
    )
    Options = AnthropicOptions
    default_url = "https://api.anthropic.com/v1"
    key_variables = (KeyVariable("ANTHROPIC_API_KEY", https_hosts(r"api\.anthropic\.com")),)
    key_header = ("x-api-key", "")
    passthrough_apis = frozenset({Api.ANTHROPIC})

    def path(self, request: ProviderRequest) -> str:
        return "/messages"

    def extra_headers(self) -> dict[str, str]:
        return self.passthrough_headers(self.client)

    @classmethod
    def passthrough_base(cls, client: ClientSettings) -> str:
        return client.base_url or cls.default_url

    @classmethod
    def passthrough_headers(cls, client: ClientSettings) -> dict[str, str]:
        beta = AnthropicOptions.model_validate(client.options).beta
        return {"anthropic-version": VERSION, **({"anthropic-beta": ",".join(beta)} if beta else {})}

    def sendable(self, request: ProviderRequest) -> ProviderRequest:
        if any(name in request.parameters for name in LIMIT_NAMES):
            return request
        return replace(request, parameters={"max_tokens": self.options.max_tokens, **request.parameters})
