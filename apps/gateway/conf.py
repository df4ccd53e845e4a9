"""`settings.GATEWAY`, typed and range-checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from orchestration.routes import FallbackCodes, Routes
from orchestration.typed_settings import TypedSetting

Seconds = Annotated[float, Field(gt=0)]
LONGEST_MODEL = 128
"""Characters of a model's name."""


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("a name of a model is printable")
    return name


def _as_list(given: object) -> object:
    return [given] if isinstance(given, str | dict) else given


ModelName = Annotated[str, Field(min_length=1, max_length=LONGEST_MODEL), AfterValidator(_printable)]
Alias = Annotated[Routes, BeforeValidator(_as_list)]


class GatewaySettings(BaseModel):
    """Times in seconds, sizes in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    CLIENT: str = ""
    """Which client of ORCA_CONFIG is used; empty: the default one."""
    MESSAGES_CLIENT: str = ""
    """Which one `/v1/messages` goes to, of a provider that speaks Anthropic's API; empty: CLIENT."""
    ALIASES: dict[ModelName, Alias] = {}
    """Names that clients may give as a model, and where each goes, the preferred route first: `"client"`,
    `"client/model"`, `{"client": …, "model": …, "weight": …}`, or another alias."""
    FALLBACK_ON: FallbackCodes | None = None
    """Error codes, and reasons to wait, for which a request goes to the next route of its alias. None: those of
    ORCA_CONFIG."""
    ENCRYPTION_KEYS: tuple[str, ...] = ()
    """Fernet keys, the first encrypts. Empty: ENCRYPTION_KEY_FILE."""
    ENCRYPTION_KEY_FILE: Path | None = None
    """One Fernet key a line, the first encrypts; read again when it changes, so that keys rotate while serving."""
    MAKE_KEY_FILE: bool = False
    """Create ENCRYPTION_KEY_FILE when it does not exist; for development only."""
    MAX_BODY_BYTES: Annotated[int, Field(ge=1024)] = 8_000_000
    MAX_ANSWER_BYTES: Annotated[int, Field(ge=1024)] = 32_000_000
    """A longer answer of a provider is an error."""
    LARGE_BODY_PROCESS: bool = False
    """Each process that serves has another one beside it for requests with bodies of 64 kB and more, so that small
    ones do not wait for them."""
    CONNECTIONS: Annotated[int, Field(ge=1)] = 512
    """To the provider, per process."""
    ANSWER_SECONDS: Seconds = 300.0
    """One request to the provider, from sending to the last byte."""
    IDLE_SECONDS: Seconds = 60.0
    """The longest pause of a provider: before the first byte and between two."""
    BODY_SECONDS: Seconds = 30.0
    """How long a client may take to send its body."""
    WHEN_CLIENT_LEAVES: Literal["drain", "cancel"] = "drain"
    """Read the provider's answer to its end for the record, or close it and estimate what it cost."""
    DRAIN_SECONDS: Seconds = 60.0
    """After this time a drained answer is cancelled, too."""
    STOP_SECONDS: Seconds = 3.0
    """How long answers may continue when the process is asked to stop; then they end with an error, and are recorded.
    Less than the time after which the process is killed (`--workers-kill-timeout`)."""
    KEY_CACHE_SECONDS: Annotated[float, Field(ge=0, le=60)] = 5.0
    """How long a process may use a key that was revoked or changed meanwhile."""
    RESERVED_OUTPUT_TOKENS: Annotated[int, Field(ge=1)] = 4096
    """What a request without `max_tokens` reserves for its answer."""
    RETRY_AFTER_SECONDS: Annotated[int, Field(ge=1)] = 1
    """How long a client is asked to wait when a 429 of the provider has no Retry-After."""
    BEAT_SECONDS: Seconds = 3.0
    LEASE_SECONDS: Seconds = 12.0
    """A process without a heartbeat for this long counts as dead: its requests become `unknown`, and their
    reservations are settled."""
    CACHE_TTL_SECONDS: Seconds = 3600.0
    CACHE_MAX_ENTRIES: Annotated[int, Field(ge=1)] = 10_000
    """Per owner; the least recently used go first."""
    EMBEDDING_MODEL: str = ""
    """Of the provider, for the semantic cache; each short question that misses then asks for an embedding. Empty:
    only the same wording is found."""
    SEMANTIC_MAX_CHARACTERS: Annotated[int, Field(ge=1, le=2000)] = 200
    """Of a last user message that is compared by its meaning; of longer ones only the same wording is found."""
    RECOGNIZER: str = ""
    """Dotted path of a function that finds names and addresses: `(text) -> [(start, end, "NAME" or "ADDRESS"), …]`. Its
    error refuses the request."""
    SEMANTIC_THRESHOLD: Annotated[float, Field(gt=0, le=1)] = 0.7
    """The least cosine of two questions that mean the same. The guard of their words decides; this is a second
    opinion, and models differ in how near they put paraphrases."""


gateway_settings = TypedSetting("GATEWAY", GatewaySettings)
