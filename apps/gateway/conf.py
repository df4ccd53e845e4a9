"""`settings.GATEWAY`, typed and range-checked."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from django.conf import settings
from django.core.signals import setting_changed
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestration.conf import explain
from orchestration.errors import NotConfigured

Seconds = Annotated[float, Field(gt=0)]


class GatewaySettings(BaseModel):
    """Times in seconds, sizes in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    CLIENT: str = ""
    """Which client of ORCA_CONFIG is asked; empty: the default one."""
    ENCRYPTION_KEYS: tuple[str, ...] = ()
    """Fernet keys, the first encrypts. Empty: ENCRYPTION_KEY_FILE."""
    ENCRYPTION_KEY_FILE: Path | None = None
    """One Fernet key a line, the first encrypts; read again when it changes, so that keys rotate while serving."""
    MAKE_KEY_FILE: bool = False
    """Make ENCRYPTION_KEY_FILE when it is not there: for development alone."""
    MAX_BODY_BYTES: Annotated[int, Field(ge=1024)] = 8_000_000
    MAX_ANSWER_BYTES: Annotated[int, Field(ge=1024)] = 32_000_000
    """A provider's answer that is longer ends as an error."""
    CONNECTIONS: Annotated[int, Field(ge=1)] = 512
    """To the provider, per process."""
    ANSWER_SECONDS: Seconds = 300.0
    """One request to the provider, from sending to the last byte."""
    IDLE_SECONDS: Seconds = 60.0
    """The longest silence of a provider: before the first byte and between two."""
    BODY_SECONDS: Seconds = 30.0
    """How long a client may take to send its body."""
    WHEN_CLIENT_LEAVES: Literal["drain", "cancel"] = "drain"
    """Read the provider's answer to its end for the record, or close it and estimate what it cost."""
    DRAIN_SECONDS: Seconds = 60.0
    """After this a drained answer is cancelled after all."""
    STOP_SECONDS: Seconds = 3.0
    """How long answers may go on when the process is asked to stop; then they are broken off with an error, and
    recorded. Less than the patience of whoever stops the process (`--workers-kill-timeout`)."""
    KEY_CACHE_SECONDS: Annotated[float, Field(ge=0, le=60)] = 5.0
    """How long a process may go on with a key that was revoked or changed meanwhile."""
    RESERVED_OUTPUT_TOKENS: Annotated[int, Field(ge=1)] = 4096
    """What a request without `max_tokens` reserves for its answer."""
    RETRY_AFTER_SECONDS: Annotated[int, Field(ge=1)] = 1
    """What a 429 of the provider without Retry-After tells the client to wait."""
    BEAT_SECONDS: Seconds = 3.0
    LEASE_SECONDS: Seconds = 12.0
    """A process that was not heard of for this long is dead: its requests become `unknown`, what they reserved is
    given back."""
    CACHE_TTL_SECONDS: Seconds = 3600.0
    CACHE_MAX_ENTRIES: Annotated[int, Field(ge=1)] = 10_000
    """Per owner; the least recently used go first."""
    EMBEDDING_MODEL: str = ""
    """Of the provider, for the semantic cache; each miss then asks for an embedding. Empty: hashed words, no model."""
    SEMANTIC_THRESHOLD: Annotated[float, Field(gt=0, le=1)] = 0.95
    """The least cosine of two last user messages that count as the same."""


def read_gateway(raw: Any) -> GatewaySettings:
    """Validate GATEWAY; raises pydantic's ValidationError."""
    return GatewaySettings.model_validate(raw)


@lru_cache(maxsize=1)
def gateway_settings() -> GatewaySettings:
    """The app's settings; NotConfigured says which key is wrong and why."""
    try:
        return read_gateway(getattr(settings, "GATEWAY", {}))
    except ValidationError as error:
        raise NotConfigured(f"GATEWAY: {explain(error)}") from error


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "GATEWAY":
        gateway_settings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="gateway.settings")
