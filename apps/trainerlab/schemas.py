"""What the trainer API takes and gives."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import AwareDatetime, ConfigDict, Field, RootModel, field_validator

from apps.accounts.schemas import Email
from apps.simulation.cases import Finding, Findings, Modifiers, distinct
from apps.simulation.models import FeedbackStatus, SimulationStatus
from apps.simulation.schemas import LONGEST_MINUTES, Description, FeedbackVersionOut, MetadataOut, QuestionOut
from apps.simulation.text import Line, Text
from apps.trainerlab.models import CommandKind

Minutes = Annotated[int, Field(ge=1, le=LONGEST_MINUTES)]
CommandKey = Annotated[Line, Field(min_length=1, max_length=64, examples=["3f6c1c7e"])]
Words = Annotated[Text, Field(min_length=1, max_length=4000, examples=["The patient turns pale and starts to sweat."])]


class Closed(Schema):
    model_config = ConfigDict(extra="forbid")


class ScenarioIn(Closed):
    """A whole scenario; `key` is its short name, by which imports find it again."""

    key: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[-a-zA-Z0-9_]+$", examples=["appendicitis-1"])]
    title: Annotated[Line, Field(min_length=1, max_length=150, examples=["Belly pain in a young baker"])]
    summary: Annotated[Text, Field(max_length=4000)] = ""
    sim_patient_full_name: Annotated[Line, Field(min_length=1, max_length=100, examples=["Maria Alvarez"])]
    diagnosis: Annotated[Line, Field(min_length=1, max_length=255, examples=["acute appendicitis"])]
    chief_complaint: Annotated[Line, Field(max_length=255, examples=["belly pain since last night"])] = ""
    scenario: Annotated[Text, Field(max_length=20_000)] = ""
    instructions: Annotated[Text, Field(max_length=20_000)] = ""
    modifiers: Modifiers = []
    findings: Findings = []
    time_limit_minutes: Minutes | None = None
    is_open: bool = False

    @field_validator("findings")
    @classmethod
    def every_key_once(cls, findings: list[Finding]) -> list[Finding]:
        return distinct(findings)

    def fields(self) -> dict[str, Any]:
        """As the model has them."""
        limit = self.time_limit_minutes
        time_limit = None if limit is None else timedelta(minutes=limit)
        return self.model_dump(exclude={"time_limit_minutes"}) | {"time_limit": time_limit}


class ScenarioOut(Schema):
    """What gives the case away is null for those who are to play it."""

    id: UUID
    key: str
    title: str
    summary: str
    sim_patient_full_name: str
    chief_complaint: str
    time_limit_minutes: int | None
    is_open: bool
    archived: bool
    owner: str | None
    diagnosis: str | None
    scenario: str | None
    instructions: str | None
    modifiers: list[str] | None
    findings: list[Finding] | None
    updated_at: datetime
    links: dict[str, str]


class ScenarioPage(Schema):
    """Newest first; `next` is the `after` of the following page, null on the last one."""

    items: list[ScenarioOut]
    next: UUID | None


class ScenarioFile(Closed):
    """Scenarios as they are exported and imported; every key once."""

    scenarios: Annotated[list[ScenarioIn], Field(max_length=500)]

    @field_validator("scenarios")
    @classmethod
    def every_key_once(cls, scenarios: list[ScenarioIn]) -> list[ScenarioIn]:
        keys = [scenario.key for scenario in scenarios]
        doubled = sorted({key for key in keys if keys.count(key) > 1})
        if doubled:
            raise ValueError(f"these keys are in the file more than once: {', '.join(doubled)}")
        return scenarios


class PictureIn(Schema):
    """The model reads the description, never the picture: say what it shows."""

    description: Description = ""


class ImportOut(Schema):
    created: int
    updated: int
    unchanged: int


class Archived(Closed):
    archived: bool


class AssignmentIn(Closed):
    """`trainee` is the email of the account."""

    scenario: UUID
    trainee: Email
    message: Annotated[Text, Field(max_length=4000)] = ""
    due_at: AwareDatetime | None = None


class AssignmentOut(Schema):
    """`simulation` is null until the trainee starts it."""

    id: int
    scenario: UUID
    title: str
    trainee: str
    assigned_by: str | None
    message: str
    due_at: datetime | None
    simulation: UUID | None
    created_at: datetime
    withdrawn_at: datetime | None


class AssignmentPage(Schema):
    """Newest first; `next` is the `after` of the following page, null on the last one."""

    items: list[AssignmentOut]
    next: int | None


class TextCommand(Closed):
    """`event`: everybody reads it, the patient knows it. `direction`: only the patient is told."""

    kind: Literal["event", "direction"]
    command_key: CommandKey
    text: Words


class FindingCommand(Closed):
    kind: Literal["finding"]
    command_key: CommandKey
    finding: Finding


class StateCommand(Closed):
    kind: Literal["pause", "resume", "end"]
    command_key: CommandKey


class CommandIn(RootModel[Annotated[TextCommand | FindingCommand | StateCommand, Field(discriminator="kind")]]):
    """One command. The same `command_key` sent twice is carried out once."""


class CommandOut(Schema):
    id: int
    kind: CommandKind
    command_key: str
    data: dict[str, Any]
    actor: str | None
    created_at: datetime


class NoteIn(Closed):
    """`message_sequence` is the number of the message it is about; null: the whole session."""

    content: Words
    message_sequence: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class NoteText(Closed):
    content: Words


class NoteOut(Schema):
    id: int
    content: str
    message_sequence: int | None
    author: str | None
    created_at: datetime
    updated_at: datetime


class BoardRowOut(Schema):
    """One session; `time_left_seconds` is null without a limit."""

    simulation: UUID
    title: str
    trainee: str
    patient: str
    status: SimulationStatus
    feedback_status: FeedbackStatus
    events: int
    messages: int
    last_activity: datetime
    time_left_seconds: int | None
    links: dict[str, str]


class LineOut(Schema):
    """One entry of the transcript; `sequence` is the number of the message, null for what is none."""

    timestamp: datetime
    source: str
    role: str
    sender: str
    content: str
    sequence: int | None
    notes: list[NoteOut]


class MetricsOut(Schema):
    """Durations in seconds, without pauses."""

    duration_seconds: int | None
    questions: int
    answers: int
    words_of_trainee: int
    words_of_patient: int
    orders: int
    results: int
    events_injected: int
    paused_seconds: int
    median_thinking_seconds: float | None


class DebriefOut(Schema):
    """Everything about an ended session. `missing` names parts of the transcript that could not be read."""

    simulation: UUID
    patient: str
    trainee: str
    diagnosis: str
    started_at: datetime | None
    ended_at: datetime | None
    transcript: list[LineOut]
    missing: list[str]
    metrics: MetricsOut
    feedback_status: FeedbackStatus
    feedback: FeedbackVersionOut | None
    questions: list[QuestionOut]
    results: list[MetadataOut]
    commands: list[CommandOut]
    notes: list[NoteOut]
