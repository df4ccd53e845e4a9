"""Questions to a provider, and the real client to send them with."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from orchestration.conf import ClientSettings
from orchestration.providers.base import ProviderRequest, ProviderResponse
from orchestration.providers.openai.provider import OpenAIProvider

REPLY_SCHEMA = {
    "type": "object",
    "properties": {"content": {"type": "string"}, "urgency": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["content", "urgency"],
    "additionalProperties": False,
}
KEY, VARIABLE = "sk-test-0123456789", "ORCA_ASKING_KEY"
Send = Callable[..., ProviderResponse]


async def send_once(base_url: str, surface: str, request: ProviderRequest) -> ProviderResponse:
    provider = provider_at(base_url, surface)
    try:
        return await provider.send(request)
    finally:
        await provider.aclose()


def provider_at(base_url: str, surface: str = "responses") -> OpenAIProvider:
    os.environ[VARIABLE] = KEY
    client = {"base_url": base_url, "surface": surface, "api_key_envvar": VARIABLE}
    return OpenAIProvider("local", ClientSettings.model_validate(client))


def question(text: str = "Where does it hurt?", **fields: Any) -> ProviderRequest:
    messages = [{"role": "developer", "content": "Answer briefly."}, {"role": "user", "content": text}]
    return ProviderRequest(
        **{"model": "gpt-4o-mini", "messages": messages, "schema_name": "reply", "schema": REPLY_SCHEMA} | fields
    )
