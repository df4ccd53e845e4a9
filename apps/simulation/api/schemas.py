"""The requests and responses of the simulation API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field, field_validator

from apps.simulation.fields import Line, Text
from apps.simulation.models import FeedbackStatus, MetadataKind, SimulationStatus
from apps.simulation.models.case_details import OLDEST, PatientSex
from apps.simulation.models.cases import CaseLines, Finding, Findings, Modifiers, distinct
from apps.simulation.models.feedback import QuestionStatus
from orchestration.api.schemas import RequestSchema

LONGEST_MINUTES = 24 * 60
MAX_QUESTION = 4000
Description = Annotated[Line, Field(max_length=255, examples=["rash on the left forearm"])]
ClientId = Annotated[Line, Field(min_length=1, max_length=64)]


class CaseIn(RequestSchema):
    """A case to play: the patient, the condition, and how the patient is to be played.

    `accepted_diagnoses` count as the diagnosis, too; `treatment_points` are what a correct plan includes; `criteria`
    are what the feedback assesses, one by one.
    """

    sim_patient_full_name: Annotated[Line, Field(min_length=1, max_length=100, examples=["Maria Alvarez"])]
    patient_age: Annotated[int, Field(ge=0, le=OLDEST)] | None = None
    patient_sex: PatientSex | Literal[""] = ""
    patient_occupation: Annotated[Line, Field(max_length=100, examples=["baker"])] = ""
    setting: Annotated[Line, Field(max_length=255, examples=["Emergency department, Saturday evening"])] = ""
    task: Annotated[Text, Field(max_length=4000, examples=["Take the history, order what you need, decide."])] = ""
    diagnosis: Annotated[Line, Field(max_length=255, examples=["acute appendicitis"])] = ""
    accepted_diagnoses: CaseLines = []
    treatment_points: CaseLines = []
    criteria: CaseLines = []
    chief_complaint: Annotated[Line, Field(max_length=255, examples=["belly pain since last night"])] = ""
    scenario: Annotated[Text, Field(max_length=20_000)] = ""
    instructions: Annotated[Text, Field(max_length=20_000)] = ""
    modifiers: Modifiers = []
    findings: Findings = []
    time_limit_minutes: Annotated[int, Field(ge=1, le=LONGEST_MINUTES)] | None = None

    @field_validator("findings")
    @classmethod
    def every_key_once(cls, findings: list[Finding]) -> list[Finding]:
        return distinct(findings)

    def fields(self) -> dict[str, Any]:
        """The values under the names of the model's fields."""
        limit = self.time_limit_minutes
        time_limit = None if limit is None else timedelta(minutes=limit)
        return self.model_dump(exclude={"time_limit_minutes"}) | {"time_limit": time_limit}


class SimulationIn(CaseIn):
    """The case of a new simulation."""


class CallOut(Schema):
    """A service call that the request started; `links` say where to watch it."""

    id: str
    status: str
    links: dict[str, str]


class SimulationOut(Schema):
    """`diagnosis` and `scenario` are null for the trainee until the simulation has ended."""

    id: UUID
    status: SimulationStatus
    failure_code: str
    sim_patient_full_name: str
    patient_age: int | None
    patient_sex: str
    patient_occupation: str
    setting: str
    task: str
    chief_complaint: str
    diagnosis: str | None
    scenario: str | None
    time_limit_minutes: int | None
    feedback_status: FeedbackStatus
    metadata_checksum: str
    last_event: int
    created_at: datetime
    started_at: datetime | None
    ends_at: datetime | None
    paused_at: datetime | None
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


class RubricRowOut(Schema):
    criterion: str
    rating: Literal["met", "partly", "missed"]
    comment: str
    messages: list[int]


class FeedbackVersionOut(Schema):
    """`patient_experience` goes from 0 to 5; `metrics` are further judgements by name; `rubric` refers to messages by
    their sequence; `diagnosis_named` is empty when the trainee named none."""

    id: int
    correct_diagnosis: bool
    correct_treatment_plan: bool
    patient_experience: int
    overall_feedback: str
    metrics: dict[str, Any]
    diagnosis_named: str
    rubric: list[RubricRowOut]
    next_time: list[str]
    created_at: datetime


class FeedbackOut(Schema):
    """`versions`: the newest first, and that is the one that counts."""

    status: FeedbackStatus
    failure_code: str
    failure_reason: str | None
    versions: list[FeedbackVersionOut]


class FeedbackAccepted(FeedbackOut):
    """`call` makes the new version."""

    call: CallOut | None


class QuestionIn(RequestSchema):
    """`client_id` is chosen by the sender, one per question: sent twice, the question is stored once."""

    question: Annotated[Text, Field(min_length=1, max_length=MAX_QUESTION, examples=["What should I have asked?"])]
    client_id: ClientId | None = None


class QuestionOut(Schema):
    """A question about the feedback; `answer` is empty until it is answered."""

    id: int
    question: str
    answer: str
    status: QuestionStatus
    failure_code: str
    failure_reason: str | None
    client_id: str | None
    created_at: datetime
    answered_at: datetime | None


class ImageIn(Schema):
    """`hidden`, for instructors only: the patient shows it when it is asked for."""

    description: Description = ""
    hidden: bool = False


class ImageOut(Schema):
    """A picture; `url` gives the bytes."""

    id: UUID
    content_type: str
    width: int
    height: int
    size: int
    description: str
    hidden: bool
    url: str
