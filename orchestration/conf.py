"""The typed settings of this package: `ORCHESTRAI` (the engine) and `ORCA_CONFIG` (the model clients)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from orchestration.providers.capabilities import Capability
from orchestration.providers.keys import origin_of
from orchestration.providers.short_names import SHORT_NAMES, SIMULATOR
from orchestration.retry import RetryPolicy
from orchestration.routes import DEFAULT_FALLBACK, PATTERN, FallbackCodes, Routes
from orchestration.typed_settings import TypedSetting

HAVE_A_MODEL = frozenset({"openai", SIMULATOR})
"""Providers whose clients may leave out the model."""
FORMER_NAMES = {"PUMP_BUDGET_SECONDS": "LOOP_BUDGET_SECONDS", "PUMP_DRAIN_SECONDS": "LOOP_DRAIN_SECONDS"}
"""Keys of ORCHESTRAI that are read under their former name, too, for one more release; the check W005 names them."""
CONTENT_BYTES = {"image": 10_000_000, "audio": 25_000_000, "file": 32_000_000}
"""The largest content of each kind, where MAX_CONTENT_BYTES does not say."""
OTHER_PACKAGES = ("DOMAIN_PERSIST_",)
"""Key prefixes of ORCHESTRAI that another package reads and validates."""


class LimitSettings(BaseModel):
    """A limit on the calls to one or several models; None is unlimited."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    """Requests that start within a minute, on all nodes together."""
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None
    """Tokens of a minute, by the estimate before a request and the count after it."""
    parallel: Annotated[int, Field(ge=1)] | None = None
    """Calls that run at the same time, on all nodes together."""


class EngineSettings(BaseModel):
    """`settings.ORCHESTRAI`: times in seconds, sizes in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    CONCURRENCY: Annotated[int, Field(ge=1, le=1024)] = 256
    """Calls that one worker loop runs at once."""
    LOOP_BUDGET_SECONDS: Annotated[float, Field(gt=0)] = 45.0
    """How long one worker loop claims new work; far below Q_CLUSTER["timeout"], so that running calls can finish."""
    LOOP_DRAIN_SECONDS: Annotated[float, Field(ge=0)] = 95.0
    """Calls that still run after the budget may end within this time; budget and drain stay below the timeout."""
    LINGER_SECONDS: Annotated[float, Field(ge=0)] = 2.0
    """How long an idle worker loop polls; longer than WAKE_WINDOW_SECONDS, so that a coalesced wake is not lost."""
    WAKE_WINDOW_SECONDS: Annotated[float, Field(ge=0)] = 1.0
    """One process sends at most one wake-up in this time."""
    LEASE_SECONDS: Annotated[float, Field(gt=0)] = 10.0
    """A running call is its worker's for this long; then another may take it, if the worker is gone."""
    RENEW_SECONDS: Annotated[float, Field(gt=0)] = 3.0
    """How often a worker renews its leases; at most half of LEASE_SECONDS."""
    MAX_DEATHS: Annotated[int, Field(ge=0, le=100)] = 3
    """A call during which its worker died more often than this is poisoned."""
    REQUEST_TIMEOUT_SECONDS: Annotated[float, Field(gt=0)] = 60.0
    """One provider request, from sending to the last byte."""
    GRACE_SECONDS: Annotated[float, Field(ge=0)] = 20.0
    """After a stop request running calls may finish within this time; the others return to the queue uncharged."""
    SLOW_RECEIVER_SECONDS: Annotated[float, Field(gt=0)] = 0.25
    """A signal receiver that takes longer is named in a warning: the receivers after it wait."""
    TICK_SECONDS: Annotated[float, Field(gt=0)] = 10.0
    """How often a supervisor looks for work whose wake-up was lost."""
    CLOCK_TOLERANCE_SECONDS: Annotated[float, Field(gt=0)] = 2.0
    """A machine whose clock differs more from the database's is shown in the admin and reported by a check."""
    WEDGED_AFTER_SECONDS: Annotated[float, Field(gt=0)] = 30.0
    """A cluster that ran no heartbeat task for this long is killed and started again."""
    LIMITS: dict[Annotated[str, Field(pattern=PATTERN)], LimitSettings] = {}
    """By "client/model": `{"default/gpt-4o*": {"requests_per_minute": 500, "parallel": 32}}`. Every pattern that
    matches a call applies to it. Workers copy them into the database when they start; the admin can edit them."""
    CIRCUIT_FAILURES: Annotated[int, Field(ge=0)] = 10
    """Connection errors, timeouts and 5xx in a row after which a client's circuit opens; 0: it never does."""
    CIRCUIT_WINDOW_SECONDS: Annotated[float, Field(gt=0)] = 30.0
    """Failures count when they happen within this time."""
    CIRCUIT_OPEN_SECONDS: Annotated[float, Field(gt=0)] = 5.0
    """Then one call probes the provider; each failed probe doubles this, up to a minute."""
    MAX_PAYLOAD_BYTES: Annotated[int, Field(gt=0)] = 1_000_000
    """Input and context of one call, as JSON."""
    RETRY_MAX_ATTEMPTS: int = 3
    """Attempts of a call whose service declares no policy, the first included."""
    RETRY_INITIAL_SECONDS: float = 1.0
    """The longest wait before the second attempt; the wait is drawn below it."""
    RETRY_MULTIPLIER: float = 2.0
    """By which the longest wait grows with each failure."""
    RETRY_CAP_SECONDS: float = 60.0
    """The longest wait between two attempts, unless the provider asks for a longer one."""
    RETRY_AFTER_CAP_SECONDS: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    """The longest wait that a provider's `Retry-After` or `x-ratelimit-reset` can impose."""
    TOOL_TIMEOUT_SECONDS: Annotated[float, Field(gt=0)] = 60.0
    """A tool that runs longer has failed, unless it says another time itself."""
    MAX_TOOL_RESULT_BYTES: Annotated[int, Field(gt=0)] = 200_000
    """The longest result of a tool, as the model gets it; a longer one is a failure, which the model is told."""
    MAX_CONTENT_BYTES: dict[Literal["image", "audio", "file"], Annotated[int, Field(gt=0, lt=2**31)]] = {}
    """The largest image, audio and file that is stored for a message; see CONTENT_BYTES for what is not named here."""
    MAX_REQUEST_CONTENT_BYTES: Annotated[int, Field(gt=0)] = 32_000_000
    """Images, audio and files of one request together; a provider may take less."""
    CONTENT_STORAGE: str = "default"
    """The alias in STORAGES under which images, audio and files of messages are kept."""
    ALLOW_PAID_REQUESTS: bool = True
    """False: no request leaves this machine (tests, CI)."""
    FAULT_POINTS: bool = False
    """True lets ORCA_FAULTS kill processes at named places; for tests alone."""
    SIMULATOR_RESPONDERS: tuple[str, ...] = ()
    """Functions, as `"module:function"`, that give the simulator's answers to the prompts that they know: see
    orchestration/providers/simulator/responder.py. By itself it answers by the schema alone."""
    SIMULATOR_PACE_MS: Annotated[int, Field(ge=0)] = 0
    """Milliseconds between two pieces of an answer that the simulator streams in this process."""
    QUEUE: str | None = None
    """The cluster that runs worker loops; None: the default one."""
    RUN_DIR: Path = Path("var/run")
    """Where a node keeps its slot locks."""

    @model_validator(mode="after")
    def _consistent(self) -> EngineSettings:
        if self.RENEW_SECONDS * 2 > self.LEASE_SECONDS:
            raise ValueError("RENEW_SECONDS must be at most half of LEASE_SECONDS, or one late renewal loses a lease.")
        if self.LINGER_SECONDS and self.LINGER_SECONDS <= self.WAKE_WINDOW_SECONDS:
            raise ValueError("LINGER_SECONDS must be longer than WAKE_WINDOW_SECONDS, or a coalesced wake can be lost.")
        _ = self.retry
        return self

    def content_bytes(self, kind: str) -> int:
        """The largest content of a kind (`image`, `audio`, `file`), in bytes."""
        return next((size for name, size in self.MAX_CONTENT_BYTES.items() if name == kind), CONTENT_BYTES[kind])

    @property
    def beat_seconds(self) -> float:
        """Seconds between two beats of a supervisor; 2 with the default settings."""
        return min(self.TICK_SECONDS / 2, self.WEDGED_AFTER_SECONDS / 15)

    @property
    def retry(self) -> RetryPolicy:
        """The policy of services that declare none."""
        return RetryPolicy(
            max_attempts=self.RETRY_MAX_ATTEMPTS,
            initial=self.RETRY_INITIAL_SECONDS,
            multiplier=self.RETRY_MULTIPLIER,
            cap=self.RETRY_CAP_SECONDS,
        )


class ClientSettings(BaseModel):
    """One model client. The key itself is never part of the settings, only the name of its variable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = "openai"
    """A short name (`orchestration/providers/short_names.py`) or the dotted path of a class: docs/providers.md."""
    surface: str = ""
    """Which of the provider's APIs; empty: its first one. OpenAI has "responses" and "chat"."""
    model: str = "gpt-4o-mini"
    """Asked when neither the service nor the call names one; only `openai` and `simulator` have one by default."""
    api_key_envvar: str | None = None
    """The variable that holds its key, which goes to `base_url`. None: the provider's own variables, each of which goes
    to the hosts that it is meant for (`orchestration/providers/keys.py`)."""
    token: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] | None = None
    """A function, as `"module:function"`, that returns the bearer token of a request, in place of a key."""
    base_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+")] | None = None
    """Of another server than the provider's own, with its version path: `http://127.0.0.1:9100/v1`."""
    timeout: Annotated[float, Field(gt=0)] | None = None
    """Seconds; None: REQUEST_TIMEOUT_SECONDS."""
    without: tuple[Capability, ...] = ()
    """What this server or model cannot do although its provider can."""
    options: dict[str, Any] = {}
    """What is particular to the provider: see there."""

    @field_validator("provider")
    @classmethod
    def _known_or_a_path(cls, provider: str) -> str:
        if provider not in SHORT_NAMES and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", provider, re.ASCII):
            raise ValueError(f"is none of {', '.join(SHORT_NAMES)}, and not the dotted path of a class")
        return provider

    @field_validator("base_url")
    @classmethod
    def _names_a_host_alone(cls, base_url: str | None) -> str | None:
        """What is not a plain URL is read differently by different parsers, and a key could go to the wrong host."""
        if base_url is None:
            return None
        if re.search(r"[\s\\\x00-\x20]", base_url):
            raise ValueError("must not contain spaces, backslashes or control characters")
        if "@" in re.split("[/?#]", base_url)[2]:
            raise ValueError("must not contain a user or a password: the key comes from the variable in api_key_envvar")
        if re.search("[?#]", base_url):
            raise ValueError("must not contain ? or #: paths are appended to it")
        try:
            _, host, port = origin_of(base_url)
        except ValueError:  # a port that is none, half of an IPv6 address
            host, port = "", None
        if not host or not port:
            raise ValueError("must name a host, and may name a port from 1 to 65535")
        return base_url

    @model_validator(mode="after")
    def _consistent(self) -> ClientSettings:
        if self.token and self.api_key_envvar:
            raise ValueError("a client has a token or a key: give it a `token` or an `api_key_envvar`, not both")
        if "model" not in self.model_fields_set and self.provider not in HAVE_A_MODEL:
            raise ValueError(f"model: name one, for {self.provider!r} has none by default")
        return self

    @property
    def is_simulated(self) -> bool:
        """Whether its answers are invented."""
        return self.provider == SIMULATOR


class ClientsSettings(BaseModel):
    """`settings.ORCA_CONFIG`: one client (`MODE: single`), or several by name, the first the default (`MODE: pod`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    MODE: Literal["single", "pod"] = "single"
    """`single`: one client, in CLIENT. `pod`: several, in CLIENTS."""
    CLIENT: ClientSettings | None = None
    """The one client of `single`."""
    CLIENTS: dict[str, ClientSettings] = {}
    """Those of `pod`, by name; the first is the default."""
    ROUTES: Routes | None = None
    """Where calls go whose service names neither routes nor a client or model, the preferred route first: `"client"` or
    `"client/model"`, or `{"client": …, "model": …, "weight": …}`: docs/howto/routes.md."""
    FALLBACK_ON: FallbackCodes = DEFAULT_FALLBACK
    """Error codes, and reasons to wait, for which a call goes to its next route, where its service names none."""

    @model_validator(mode="after")
    def _one_or_many(self) -> ClientsSettings:
        if self.MODE == "single" and (self.CLIENT is None or self.CLIENTS):
            raise ValueError('MODE "single" needs CLIENT, and CLIENTS must be empty.')
        if self.MODE == "pod" and (self.CLIENT is not None or not self.CLIENTS):
            raise ValueError('MODE "pod" needs one or more CLIENTS, and CLIENT must be empty.')
        return self

    @model_validator(mode="after")
    def _routes_lead_to_clients(self) -> ClientsSettings:
        unknown = [route.client for route in self.ROUTES or () if route.client not in self.clients]
        if unknown:
            raise ValueError(f"ROUTES names {', '.join(unknown)}, but the clients are {', '.join(self.clients)}.")
        return self

    @property
    def clients(self) -> dict[str, ClientSettings]:
        """Every client by name; a single one is called `default`."""
        return {"default": self.CLIENT} if self.CLIENT else self.CLIENTS

    @property
    def default_client(self) -> str:
        return next(iter(self.clients))


engine_settings = TypedSetting(
    "ORCHESTRAI", EngineSettings, keys=lambda key: not key.startswith(OTHER_PACKAGES), former_names=FORMER_NAMES
)
clients_settings = TypedSetting("ORCA_CONFIG", ClientsSettings, required=True)
