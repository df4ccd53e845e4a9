"""Whether the model clients of ORCA_CONFIG work, each asked one small question."""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx2

from orchestration.errors import OrchestrationError, ProviderError
from orchestration.providers.base import ProviderRequest
from orchestration.providers.clients import client_settings, open_provider
from orchestration.providers.openai import DEFAULT_BASE_URL, is_loopback
from orchestration.types import Message

QUESTION = "Answer with the word: ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHealth:
    """One client's state."""

    name: str
    provider: str
    surface: str
    model: str
    address: str
    """Where requests go, without any password; empty for the in-process simulator."""
    simulated: bool
    key_present: bool
    """True as well where no key is needed."""
    sent: bool
    """Whether the question was sent; a paid one only on demand."""
    ok: bool
    latency_ms: int | None = None
    error_code: str = ""
    error: str = ""


async def check_client(name: str, *, send: bool, timeout: float) -> ClientHealth:
    """Check one client. Paid requests go out only with `send`; `timeout` in seconds."""
    client = client_settings(name)
    simulated = client.provider == "simulator"
    sending = send or simulated or is_loopback(client.base_url or DEFAULT_BASE_URL)
    failure: OrchestrationError | None = None
    started = time.perf_counter()
    try:
        await _ask(name, client.model, sending=sending, timeout=timeout)
    except OrchestrationError as error:
        failure, sending = error, isinstance(error, ProviderError) and error.sent
    return ClientHealth(
        name=name,
        provider=client.provider,
        surface=client.surface,
        model=client.model,
        address="" if simulated else _address(client.base_url or DEFAULT_BASE_URL),
        simulated=simulated,
        key_present=simulated or client.api_key is not None,
        sent=sending,
        ok=failure is None,
        latency_ms=round((time.perf_counter() - started) * 1000) if sending else None,
        error_code=failure.code if failure else "",
        error=str(failure) if failure else "",
    )


async def _ask(name: str, model: str, *, sending: bool, timeout: float) -> None:
    provider = open_provider(name)
    try:
        if sending:
            messages: list[Message] = [{"role": "user", "content": QUESTION}]
            await provider.send(ProviderRequest(model=model, messages=messages, timeout=timeout))
    finally:
        await provider.aclose()


def _address(url: str) -> str:
    return str(httpx2.URL(url).copy_with(userinfo=b""))
