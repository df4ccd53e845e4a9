"""Answers in the shapes that the documents' handlers and codecs read."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from orchestration.components import OutputSchema
from orchestration.decorators import schema
from tests.seedapp.orca.mixins import ChatlabMixin, FeedbackMixin, SimcoreMixin, StandardizedPatientMixin


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TextItem(Part):
    text: str


class ChatMessage(Part):
    role: str
    content: list[TextItem]


class InputItem(Part):
    role: str
    content: str


class KeyValue(Part):
    key: str
    value: str


class Metric(Part):
    key: str
    value: float


class ObservationItem(Part):
    kind: str
    value: str


class ResultsMetadata(Part):
    results: list[KeyValue]


class EncounterMetadata(Part):
    started_at: datetime
    observations: list[ObservationItem]


@schema
class PatientInitialOutputSchema(ChatlabMixin, StandardizedPatientMixin, OutputSchema):
    messages: list[ChatMessage] = Field(min_length=1)


@schema
class PatientReplyOutputSchema(ChatlabMixin, StandardizedPatientMixin, OutputSchema):
    messages: list[ChatMessage] = Field(min_length=1)


@schema
class OpeningOutputSchema(OutputSchema):
    input: list[InputItem]


@schema
class ResultsOutputSchema(OutputSchema):
    metadata: ResultsMetadata


@schema
class EncounterOutputSchema(OutputSchema):
    metadata: EncounterMetadata


@schema(group="announced", name="EncounterOutputSchema")
class AnnouncedEncounterOutputSchema(OutputSchema):
    metadata: EncounterMetadata


@schema
class SafeOutputSchema(OutputSchema):
    note: str


@schema
class PatientFeedbackSchema(OutputSchema):
    summary: str
    metrics: list[Metric]


@schema
class HotwashInitialSchema(SimcoreMixin, FeedbackMixin, OutputSchema):
    overall_feedback: str
