"""The examiner: feedback on an ended simulation, and answers to questions about it."""

from __future__ import annotations

from apps.simulation.orca.mixins import FeedbackMixin, SimcoreMixin
from apps.simulation.orca.prompts.sections.feedback import (
    CaseSection,
    ExaminerSection,
    FeedbackRequestSection,
    FeedbackSoFarSection,
    TraineeQuestionSection,
    TranscriptSection,
)
from apps.simulation.orca.schemas import HotwashContinuationSchema, HotwashInitialSchema
from orchestration.decorators import service
from orchestration.services import DjangoBaseService


@service
class GenerateHotwashInitialResponse(SimcoreMixin, FeedbackMixin, DjangoBaseService):
    """The feedback on a simulation, from its stored transcript."""

    required_context_keys = ("simulation_id",)
    schema = HotwashInitialSchema
    prompt_plan = (ExaminerSection, CaseSection, TranscriptSection, FeedbackRequestSection)


@service
class GenerateHotwashContinuation(SimcoreMixin, FeedbackMixin, DjangoBaseService):
    """The answer to the question `question_id` about the feedback."""

    required_context_keys = ("simulation_id", "question_id")
    schema = HotwashContinuationSchema
    prompt_plan = (ExaminerSection, CaseSection, TranscriptSection, FeedbackSoFarSection, TraineeQuestionSection)
