"""What the simulation API takes and gives."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from apps.simulation.models import MetadataKind, SimulationStatus
from apps.simulation.text import Line, Text

LONGEST_MINUTES = 24 * 60


class SimulationIn(Schema):
    model_config = ConfigDict(extra="forbid")

    sim_patient_full_name: Annotated[Line, Field(min_length=1, max_length=100, examples=["Maria Alvarez"])]
    diagnosis: Annotated[Line, Field(max_length=255, examples=["acute appendicitis"])] = ""
    chief_complaint: Annotated[Line, Field(max_length=255, examples=["belly pain since last night"])] = ""
    scenario: Annotated[Text, Field(max_length=20_000)] = ""
    instructions: Annotated[Text, Field(max_length=20_000)] = ""
    time_limit_minutes: Annotated[int, Field(ge=1, le=LONGEST_MINUTES)] | None = None

    def fields(self) -> dict[str, Any]:
        """As the model has them."""
        values = self.model_dump(exclude={"time_limit_minutes"})
        limit = self.time_limit_minutes
        return values | {"time_limit": None if limit is None else timedelta(minutes=limit)}


class CallOut(Schema):
    """A service call that the request started; `links` say where to watch it."""

    id: str
    status: str
    links: dict[str, str]


class SimulationOut(Schema):
    """`diagnosis` and `scenario` are null for the one who is to find them, until the simulation has ended."""

    id: UUID
    status: SimulationStatus
    failure_code: str
    sim_patient_full_name: str
    chief_complaint: str
    diagnosis: str | None
    scenario: str | None
    time_limit_minutes: int | None
    metadata_checksum: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    links: dict[str, str]


class SimulationCreated(SimulationOut):
    """`call` brings the patient's first message."""

    call: CallOut | None


class SimulationPage(Schema):
    """Newest first; `next` is the `after` of the following page, null on the last one."""

    items: list[SimulationOut]
    next: UUID | None


class MetadataOut(Schema):
    kind: MetadataKind
    key: str
    value: str
    extra: dict[str, Any]
    updated_at: datetime
