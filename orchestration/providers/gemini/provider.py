"""Google Gemini's generateContent."""

from __future__ import annotations

from urllib.parse import quote

from orchestration.providers.base import ProviderRequest
from orchestration.providers.capabilities import Capability
from orchestration.providers.content import ALL_CONTENT
from orchestration.providers.gemini.wire import GENERATE_CONTENT
from orchestration.providers.http.provider import HttpProvider
from orchestration.providers.keys import KeyVariable, https_hosts


class GeminiProvider(HttpProvider):
    """The Gemini API; Vertex AI with a `base_url` that ends before `/models/…` and a `token`."""

    name = "gemini"
    wires = {"generateContent": GENERATE_CONTENT}
    capabilities = frozenset({Capability.STRUCTURED_OUTPUT, Capability.TOOLS, Capability.STREAMING, *ALL_CONTENT})
    default_url = "https://generativelanguage.googleapis.com/v1beta"
    key_variables = (KeyVariable("GEMINI_API_KEY", https_hosts(r"generativelanguage\.googleapis\.com")),)
    key_header = ("x-goog-api-key", "")

    def path(self, request: ProviderRequest) -> str:
        model = request.model.removeprefix("models/")
        return f"/models/{quote(model, safe='')}:generateContent"

    def stream_path(self, request: ProviderRequest) -> str:
        return self.path(request).replace(":generateContent", ":streamGenerateContent?alt=sse")
