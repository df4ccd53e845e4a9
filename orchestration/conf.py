"""The typed settings of this package: `ORCHESTRAI` (the engine) and `ORCA_CONFIG` (the model clients)."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from django.conf import settings
from django.core.signals import setting_changed
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from orchestration.errors import NotConfigured
from orchestration.lanes import PATTERN
from orchestration.retry import RetryPolicy

OTHER_PACKAGES = ("DOMAIN_PERSIST_",)
"""Key prefixes of ORCHESTRAI that another package reads and validates."""


class LimitSettings(BaseModel):
    """A limit of the calls to one or several models; what is None is not limited."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None
    parallel: Annotated[int, Field(ge=1)] | None = None
    """Calls that run at the same time, on all nodes together."""


class EngineSettings(BaseModel):
    """`settings.ORCHESTRAI`: times in seconds, sizes in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    CONCURRENCY: Annotated[int, Field(ge=1, le=1024)] = 64
    """Calls one pump runs at once."""
    PUMP_BUDGET_SECONDS: Annotated[float, Field(gt=0)] = 45.0
    """How long one pump claims new work; far below Q_CLUSTER["timeout"], so that running calls can finish."""
    PUMP_DRAIN_SECONDS: Annotated[float, Field(ge=0)] = 95.0
    """After its budget a pump's running calls may end within this time; budget and drain stay below the timeout."""
    LINGER_SECONDS: Annotated[float, Field(ge=0)] = 2.0
    """How long an idle pump keeps looking; longer than WAKE_WINDOW_SECONDS, so that a coalesced wake is not lost."""
    WAKE_WINDOW_SECONDS: Annotated[float, Field(ge=0)] = 1.0
    """One process sends at most one wake-up in this time."""
    LEASE_SECONDS: Annotated[float, Field(gt=0)] = 10.0
    RENEW_SECONDS: Annotated[float, Field(gt=0)] = 3.0
    MAX_DEATHS: Annotated[int, Field(ge=0, le=100)] = 3
    """A call that took its worker down more often than this is poisoned."""
    REQUEST_TIMEOUT_SECONDS: Annotated[float, Field(gt=0)] = 60.0
    """One provider request, from sending to the last byte."""
    GRACE_SECONDS: Annotated[float, Field(ge=0)] = 20.0
    """After a stop request running calls may finish within this time; the rest is given back uncharged."""
    TICK_SECONDS: Annotated[float, Field(gt=0)] = 10.0
    WEDGED_AFTER_SECONDS: Annotated[float, Field(gt=0)] = 30.0
    """A cluster that ran no heartbeat task for this long is killed and started again."""
    LIMITS: dict[Annotated[str, Field(pattern=PATTERN)], LimitSettings] = {}
    """By "client/model": `{"default/gpt-4o*": {"requests_per_minute": 500, "parallel": 32}}`. Every pattern that
    matches a call holds for it. Rows in the database, made from these when a worker starts, editable in the admin."""
    CIRCUIT_FAILURES: Annotated[int, Field(ge=0)] = 10
    """Connection errors, timeouts and 5xx in a row after which a client's circuit opens; 0: it never does."""
    CIRCUIT_WINDOW_SECONDS: Annotated[float, Field(gt=0)] = 30.0
    """They count when they happen within this time."""
    CIRCUIT_OPEN_SECONDS: Annotated[float, Field(gt=0)] = 5.0
    """Then one call probes the provider; each failed probe doubles this, up to a minute."""
    MAX_PAYLOAD_BYTES: Annotated[int, Field(gt=0)] = 1_000_000
    """Input and context of one call, as JSON."""
    RETRY_MAX_ATTEMPTS: int = 3
    RETRY_INITIAL_SECONDS: float = 1.0
    RETRY_MULTIPLIER: float = 2.0
    RETRY_CAP_SECONDS: float = 60.0
    ALLOW_PAID_REQUESTS: bool = True
    """False: requests leave this machine to nobody (tests, CI)."""
    FAULT_POINTS: bool = False
    """True lets ORCA_FAULTS kill processes at named places; for tests alone."""
    QUEUE: str | None = None
    """The cluster that runs pumps; None: the default one."""
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

    provider: Literal["openai", "simulator"] = "openai"
    surface: Literal["responses", "chat"] = "responses"
    model: str = "gpt-4o-mini"
    api_key_envvar: str = "ORCA_PROVIDER_API_KEY"
    base_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+")] | None = None
    """Of a compatible server, with its version path: `http://127.0.0.1:9100/v1`."""
    timeout: Annotated[float, Field(gt=0)] | None = None
    """Seconds; None: REQUEST_TIMEOUT_SECONDS."""

    @property
    def api_key(self) -> str | None:
        """The key from `api_key_envvar`, else from OPENAI_API_KEY, else None."""
        return os.environ.get(self.api_key_envvar) or os.environ.get("OPENAI_API_KEY") or None


class ClientsSettings(BaseModel):
    """`settings.ORCA_CONFIG`: one client (`MODE: single`), or several by name, the first the default (`MODE: pod`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    MODE: Literal["single", "pod"] = "single"
    CLIENT: ClientSettings | None = None
    CLIENTS: dict[str, ClientSettings] = {}

    @model_validator(mode="after")
    def _one_or_many(self) -> ClientsSettings:
        if self.MODE == "single" and (self.CLIENT is None or self.CLIENTS):
            raise ValueError('MODE "single" takes CLIENT and no CLIENTS.')
        if self.MODE == "pod" and (self.CLIENT is not None or not self.CLIENTS):
            raise ValueError('MODE "pod" takes CLIENTS, one or more, and no CLIENT.')
        return self

    @property
    def clients(self) -> dict[str, ClientSettings]:
        """Every client by name; a single one is called `default`."""
        return {"default": self.CLIENT} if self.CLIENT else self.CLIENTS

    @property
    def default_client(self) -> str:
        return next(iter(self.clients))


def read_engine(raw: Any) -> EngineSettings:
    """Validate ORCHESTRAI; raises pydantic's ValidationError."""
    if isinstance(raw, dict):
        raw = {key: value for key, value in raw.items() if not str(key).startswith(OTHER_PACKAGES)}
    return EngineSettings.model_validate(raw)


@lru_cache(maxsize=1)
def engine_settings() -> EngineSettings:
    """The engine's settings; NotConfigured says which key is wrong and why."""
    try:
        return read_engine(getattr(settings, "ORCHESTRAI", {}))
    except ValidationError as error:
        raise NotConfigured(f"settings.ORCHESTRAI: {explain(error)}") from error


@lru_cache(maxsize=1)
def clients_settings() -> ClientsSettings:
    """The model clients' settings; NotConfigured says which key is wrong and why."""
    raw = getattr(settings, "ORCA_CONFIG", None)
    if raw is None:
        raise NotConfigured("settings.ORCA_CONFIG is missing; see config/settings.py for an example.")
    try:
        return ClientsSettings.model_validate(raw)
    except ValidationError as error:
        raise NotConfigured(f"settings.ORCA_CONFIG: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """`path: what is wrong` for each error, without the offending values."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'all'}: {e['msg']}" for e in error.errors(include_url=False))


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"ORCHESTRAI", "ORCA_CONFIG"}:
        engine_settings.cache_clear()
        clients_settings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="orchestration.conf")
