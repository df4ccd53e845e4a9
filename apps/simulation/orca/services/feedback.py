"""The examiner: feedback on an ended simulation, and answers to questions about it."""

from __future__ import annotations

from apps.simulation.models import Simulation
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
from orchestration.components import Approval
from orchestration.decorators import service
from orchestration.services import DjangoBaseService
from orchestration.types import Response

INSTRUCTORS = "Instructors"
"""The group that is asked to release feedback."""


@service
class GenerateHotwashInitialResponse(SimcoreMixin, FeedbackMixin, DjangoBaseService):
    """The feedback on a simulation, from its stored transcript."""

    required_context_keys = ("simulation_id",)
    schema = HotwashInitialSchema
    prompt_plan = (ExaminerSection, CaseSection, TranscriptSection, FeedbackRequestSection)
    approval = Approval(assign_to=INSTRUCTORS)

    def needs_approval(self, response: Response) -> str | None:
        simulations = Simulation.objects.filter(pk=response.context["simulation_id"], holds_feedback=True)
        return "An instructor releases the feedback of this scenario." if simulations.exists() else None


@service
class GenerateHotwashContinuation(SimcoreMixin, FeedbackMixin, DjangoBaseService):
    """The answer to the question `question_id` about the feedback."""

    required_context_keys = ("simulation_id", "question_id")
    schema = HotwashContinuationSchema
    prompt_plan = (ExaminerSection, CaseSection, TranscriptSection, FeedbackSoFarSection, TraineeQuestionSection)
