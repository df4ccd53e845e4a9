"""Servers that speak OpenAI's API. They are asked without a key unless a client names the variable of one."""

from __future__ import annotations

from orchestration.conf import ClientSettings
from orchestration.providers.base import Api, ProviderRequest
from orchestration.providers.capabilities import Capability
from orchestration.providers.content import ALL_CONTENT
from orchestration.providers.http.provider import HttpProvider
from orchestration.providers.openai.provider import PATHS
from orchestration.providers.openai.wire import COMPATIBLE_CHAT, RESPONSES


class CompatibleProvider(HttpProvider):
    """Any such server. What it cannot do, its client says in `without`."""

    name = "compatible"
    wires = {"chat": COMPATIBLE_CHAT, "responses": RESPONSES}
    capabilities = frozenset({Capability.STRUCTURED_OUTPUT, Capability.TOOLS, Capability.STREAMING, *ALL_CONTENT})
    key_required = False
    passthrough_apis = frozenset({Api.OPENAI, Api.ANTHROPIC})
    """Many of them answer `/messages`, too; the others say that they do not know it."""

    def path(self, request: ProviderRequest) -> str:
        return PATHS[self.surface]

    @classmethod
    def passthrough_base(cls, client: ClientSettings) -> str:
        return client.base_url or cls.default_url or ""


class OllamaProvider(CompatibleProvider):
    """Ollama on this machine, or elsewhere."""

    name = "ollama"
    default_url = "http://127.0.0.1:11434/v1"


class VllmProvider(CompatibleProvider):
    """`vllm serve`."""

    name = "vllm"
    default_url = "http://127.0.0.1:8000/v1"


class LmStudioProvider(CompatibleProvider):
    """LM Studio's local server."""

    name = "lmstudio"
    default_url = "http://127.0.0.1:1234/v1"
