"""OpenAI itself; servers that speak its API and need no key are in `orchestration/providers/compatible/`."""

from __future__ import annotations

import os

from orchestration.conf import ClientSettings
from orchestration.providers.base import ProviderRequest
from orchestration.providers.capabilities import Capability
from orchestration.providers.content import ALL_CONTENT
from orchestration.providers.http.provider import HttpProvider
from orchestration.providers.keys import DEFAULT_VARIABLE, KeyVariable, https_hosts
from orchestration.providers.openai.wire import CHAT, RESPONSES

OWN_HOSTS = https_hosts(r"(?:(?:ae|au|eu|in|jp|us)\.)?api\.openai\.com")
"""OpenAI's host and its regional ones."""
PATHS = {"responses": "/responses", "chat": "/chat/completions"}
ACCOUNT = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
"""Variables that OpenAI's own tools read, and the headers that tell OpenAI, and nobody else, what they hold."""


def is_openai(url: str) -> bool:
    """Whether requests below this URL go to OpenAI itself, over TLS."""
    return OWN_HOSTS.fullmatch(url) is not None


class OpenAIProvider(HttpProvider):
    """Responses and Chat Completions."""

    name = "openai"
    wires = {"responses": RESPONSES, "chat": CHAT}
    capabilities = frozenset({Capability.STRUCTURED_OUTPUT, Capability.TOOLS, Capability.STREAMING, *ALL_CONTENT})
    default_url = "https://api.openai.com/v1"
    key_variables = (KeyVariable(DEFAULT_VARIABLE), KeyVariable("OPENAI_API_KEY", OWN_HOSTS))

    def path(self, request: ProviderRequest) -> str:
        return PATHS[self.surface]

    def extra_headers(self) -> dict[str, str]:
        if not is_openai(self.base_url):
            return {}
        return {header: os.environ[name] for name, header in ACCOUNT.items() if os.environ.get(name)}

    @classmethod
    def passthrough_base(cls, client: ClientSettings) -> str:
        return client.base_url or cls.default_url
