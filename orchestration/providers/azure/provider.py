"""Azure OpenAI: the model is a deployment, the address has an API version, and a token of Entra may replace the key."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from orchestration.conf import ClientSettings
from orchestration.errors import NotConfigured
from orchestration.providers.base import ProviderRequest
from orchestration.providers.capabilities import Capability
from orchestration.providers.content import ALL_CONTENT
from orchestration.providers.errors import FILTERED, Meaning
from orchestration.providers.http.provider import HttpProvider
from orchestration.providers.keys import KeyVariable
from orchestration.providers.openai.wire import CHAT, RESPONSES
from orchestration.providers.wire import Wire

V1 = "v1"
"""The version of the API without dates: its paths are OpenAI's own."""
PATHS = {"responses": "/responses", "chat": "/chat/completions"}


class AzureOptions(BaseModel):
    """`options` of a client."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    deployment: Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")] | None = None
    """What is asked; None: the deployment that is named as the model."""
    api_version: Annotated[str, Field(pattern=r"^(v1|\d{4}-\d{2}-\d{2}(-preview)?)$")] = V1
    """`v1`, or the date of a version, such as `2024-10-21`."""


def _of_azure(wire: Wire) -> Wire:
    errors = wire.errors.extended(
        statuses={},
        reasons={
            "deploymentnotfound": Meaning("model_not_found", "There is no such deployment at this address."),
            "responsibleaipolicyviolation": FILTERED,
        },
    )
    return replace(wire, errors=errors)


class AzureProvider(HttpProvider):
    """`base_url` is the resource's endpoint, without a path: `https://my-resource.openai.azure.com`."""

    name = "azure"
    wires = {"responses": _of_azure(RESPONSES), "chat": _of_azure(CHAT)}
    capabilities = frozenset({Capability.STRUCTURED_OUTPUT, Capability.TOOLS, Capability.STREAMING, *ALL_CONTENT})
    Options = AzureOptions
    key_variables = (KeyVariable("AZURE_OPENAI_API_KEY"),)
    key_header = ("api-key", "")

    def path(self, request: ProviderRequest) -> str:
        version, deployment = self.options.api_version, quote(self._deployment(request), safe="")
        if version == V1:
            return f"/openai/v1{PATHS[self.surface]}"
        if self.surface == "responses":  # has the deployment in its body
            return f"/openai/responses?api-version={version}"
        return f"/openai/deployments/{deployment}{PATHS[self.surface]}?api-version={version}"

    def sendable(self, request: ProviderRequest) -> ProviderRequest:
        return replace(request, model=self._deployment(request))

    def _deployment(self, request: ProviderRequest) -> str:
        return self.options.deployment or request.model

    @classmethod
    def passthrough_base(cls, client: ClientSettings) -> str:
        if AzureOptions.model_validate(client.options).api_version != V1:
            raise NotConfigured(
                f'Only version "{V1}" of Azure\'s API has OpenAI\'s paths, which are passed through: set "api_version".'
            )
        return f"{(client.base_url or '').rstrip('/')}/openai/v1"
