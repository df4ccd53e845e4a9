"""Health of the clients of ORCA_CONFIG: each is sent one small request."""

from __future__ import annotations

import time
from dataclasses import dataclass

from orchestration.errors import OrchestrationError, ProviderError
from orchestration.providers.base import ProviderRequest
from orchestration.providers.credentials import address_of, why_no_key
from orchestration.providers.http.addresses import is_loopback
from orchestration.providers.registry import client_settings, open_provider, provider_class
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
    """Where requests go; empty for the in-process simulator."""
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
    cls, address = provider_class(client), address_of(client)
    sending = send or client.is_simulated or is_loopback(address)
    failure: OrchestrationError | None = None
    started = time.perf_counter()
    try:
        await _ask(name, client.model, sending=sending, timeout=timeout)
    except OrchestrationError as error:
        failure, sending = error, isinstance(error, ProviderError) and error.sent
    return ClientHealth(
        name=name,
        provider=cls.name,
        surface=client.surface or cls.surfaces[0],
        model=client.model,
        address=address,
        simulated=client.is_simulated,
        key_present=why_no_key(name, client) is None,
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
