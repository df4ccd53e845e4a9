"""The typed settings of this package: the `DOMAIN_PERSIST_*` keys of `settings.ORCHESTRAI`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from orchestration.components.approval import Approval
from orchestration.typed_settings import TypedSetting

PREFIX = "DOMAIN_PERSIST_"


class PersistenceSettings(BaseModel):
    """The `DOMAIN_PERSIST_*` keys; times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    DOMAIN_PERSIST_MAX_ATTEMPTS: Annotated[int, Field(ge=1, le=1000)] = 10
    """A result whose persistence failed this often is dead until an operator retries it."""
    DOMAIN_PERSIST_MAX_DEATHS: Annotated[int, Field(ge=1, le=1000)] = 3
    """A result is dead, too, when this many processes died while its handler ran."""
    DOMAIN_PERSIST_BATCH_SIZE: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Records that one drain takes at most."""
    DOMAIN_PERSIST_CONNECTIONS: Annotated[int, Field(ge=1, le=32)] = 2
    """On PostgreSQL a drain with much to do runs handlers in this many threads, each on a connection of its own. Two
    keep one processor busy where the database is near; three or four where its answers take a millisecond."""
    DOMAIN_PERSIST_BACKOFF_INITIAL_SECONDS: Annotated[float, Field(gt=0)] = 5.0
    """The wait after the first failure; it doubles with each."""
    DOMAIN_PERSIST_BACKOFF_CAP_SECONDS: Annotated[float, Field(gt=0)] = 600.0
    """The longest wait between two tries of one result."""
    DOMAIN_PERSIST_BUDGET_SECONDS: Annotated[float, Field(gt=0)] = 45.0
    """How long one drain starts new records; far below Q_CLUSTER["timeout"], which kills what runs longer."""
    DOMAIN_PERSIST_QUEUE: str | None = None
    """The cluster that drains; None: the default one."""

    DOMAIN_PERSIST_APPROVAL: dict[str, Approval] = {}
    """When results wait for a person, by the identity of a service or handler, `*` for all; the keys are those of
    `orchestration.components.approval.Approval`, deadlines in seconds. It adds to what services and handlers say."""
    DOMAIN_PERSIST_APPROVAL_MAIL: Annotated[str, Field(pattern=r"^(https?://[^\s/?#]+/?)?$")] = ""
    """The address of this site, with which links in mails begin: `https://console.example.com`. With it, whoever may
    decide gets a mail each hour in which results came to wait for them: how many, and links. Empty: no mail."""
    DOMAIN_PERSIST_RETENTION_DAYS: dict[str, Annotated[int, Field(ge=0)]] = {}
    """Days after which `prune` purges content, by kind (`persistence.maintenance.retention.KINDS`). Kinds that are not
    named are kept forever."""

    @model_validator(mode="after")
    def _consistent(self) -> PersistenceSettings:
        if self.DOMAIN_PERSIST_BACKOFF_CAP_SECONDS < self.DOMAIN_PERSIST_BACKOFF_INITIAL_SECONDS:
            raise ValueError(
                "DOMAIN_PERSIST_BACKOFF_CAP_SECONDS must not be below DOMAIN_PERSIST_BACKOFF_INITIAL_SECONDS."
            )
        return self

    def backoff(self, failures: int) -> float:
        """Seconds to wait after the `failures`-th failure (>= 1): min(initial * 2**(failures - 1), cap)."""
        doublings = min(failures - 1, 64)  # beyond that every cap is reached, and a float would overflow
        initial, cap = self.DOMAIN_PERSIST_BACKOFF_INITIAL_SECONDS, self.DOMAIN_PERSIST_BACKOFF_CAP_SECONDS
        return float(min(initial * 2.0**doublings, cap))


persistence_settings = TypedSetting("ORCHESTRAI", PersistenceSettings, keys=lambda key: key.startswith(PREFIX))
