"""The requests and responses of the trainer API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field, RootModel

from apps.accounts.api.schemas import Email
from apps.simulation.api.schemas import Description, FeedbackVersionOut, MetadataOut, QuestionOut
from apps.simulation.fields import Line, Text
from apps.simulation.models import FeedbackStatus, SimulationStatus
from apps.simulation.models.cases import Finding
from apps.trainerlab.models import CommandKind
from orchestration.api.schemas import RequestSchema
from orchestration.values.moments import Moment

CommandKey = Annotated[Line, Field(min_length=1, max_length=64, examples=["3f6c1c7e"])]

Words = Annotated[Text, Field(min_length=1, max_length=4000, examples=["The patient turns pale and starts to sweat."])]


Reading = Annotated[Line, Field(max_length=16)]


class ScenarioOut(Schema):
    """Fields that reveal the case are null for trainees."""

    id: UUID
    key: str
    title: str
    summary: str
    sim_patient_full_name: str
    patient_age: int | None
    patient_sex: str
    patient_occupation: str
    setting: str
    task: str
    chief_complaint: str
    time_limit_minutes: int | None
    is_open: bool
    holds_feedback: bool
    archived: bool
    owner: str | None
    diagnosis: str | None
    accepted_diagnoses: list[str] | None
    treatment_points: list[str] | None
    criteria: list[str] | None
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


class PictureIn(Schema):
    """The model reads the description, never the picture: say what it shows."""

    description: Description = ""


class Archived(RequestSchema):
    archived: bool


class AssignmentIn(RequestSchema):
    """`trainee` is the email of the account."""

    scenario: UUID
    trainee: Email
    message: Annotated[Text, Field(max_length=4000)] = ""
    due_at: Moment | None = None


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


class VitalsIn(RequestSchema):
    hr: Reading = ""
    bp: Reading = ""
    rr: Reading = ""
    spo2: Reading = ""
    temp: Reading = ""


class TextCommand(RequestSchema):
    """`event`: everybody sees it, the patient knows about it. `direction`: only the patient is told."""

    kind: Literal["event", "direction"]
    command_key: CommandKey
    text: Words


class FindingCommand(RequestSchema):
    kind: Literal["finding"]
    command_key: CommandKey
    finding: Finding


class VitalsCommand(RequestSchema):
    """New values of the monitor by code: `hr`, `bp` (120/80), `rr`, `spo2`, `temp`; what is left out stays."""

    kind: Literal["vitals"]
    command_key: CommandKey
    vitals: Annotated[VitalsIn, Field(examples=[{"hr": "128", "bp": "88/54"}])]


class StateCommand(RequestSchema):
    kind: Literal["pause", "resume", "end"]
    command_key: CommandKey


AnyCommand = TextCommand | FindingCommand | VitalsCommand | StateCommand


class CommandIn(RootModel[Annotated[AnyCommand, Field(discriminator="kind")]]):
    """One command. The same `command_key` sent twice is carried out once."""


class CommandOut(Schema):
    id: int
    kind: CommandKind
    command_key: str
    data: dict[str, Any]
    actor: str | None
    created_at: datetime


class NoteIn(RequestSchema):
    """`message_sequence` is the number of the message it is about; null: the whole session."""

    content: Words
    message_sequence: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class NoteText(RequestSchema):
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
    """One entry of the transcript; `sequence` is the number of the message, null for other entries."""

    timestamp: datetime
    source: str
    role: str
    sender: str
    content: str
    sequence: int | None
    notes: list[NoteOut]


class MetricsOut(Schema):
    """Durations in seconds, without pauses. `messages` are the trainee's, `questions` those that ask something."""

    duration_seconds: int | None
    messages: int
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
