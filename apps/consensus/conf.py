"""`settings.CONSENSUS`, typed and range-checked."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from orchestration.retry import RetryPolicy
from orchestration.typed_settings import TypedSetting

Temperature = Annotated[Decimal, Field(ge=0, le=2, max_digits=3, decimal_places=2)]


class ConsensusSettings(BaseModel):
    """Times in seconds. Models left empty are the client's model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    MAX_RETRIES_PER_PERSONA: Annotated[int, Field(ge=1, le=10)] = 3
    """Attempts in all, the first included."""
    RETRY_INITIAL_BACKOFF_SECONDS: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    RETRY_BACKOFF_MULTIPLIER: Annotated[float, Field(ge=1, le=10)] = 2.0
    PERSONA_TEMPLATE_VERSION: Annotated[str, Field(min_length=1, max_length=32)] = "1.0.0"
    EXPAND_MODEL: str = ""
    EXPAND_TEMPERATURE: Temperature = Decimal("0.7")
    HOLD_WITHIN: Annotated[Decimal, Field(ge=0, le=Decimal("0.5"))] = Decimal(0)
    """A person decides when the score is this close to a threshold; 0: never."""
    REVIEW_MODEL: str = ""
    REVIEW_TEMPERATURE: Temperature = Decimal("0.2")

    @property
    def retry(self) -> RetryPolicy:
        return RetryPolicy(
            max_attempts=self.MAX_RETRIES_PER_PERSONA,
            initial=self.RETRY_INITIAL_BACKOFF_SECONDS,
            multiplier=self.RETRY_BACKOFF_MULTIPLIER,
            cap=max(60.0, self.RETRY_INITIAL_BACKOFF_SECONDS),
        )


consensus_settings = TypedSetting("CONSENSUS", ConsensusSettings)
