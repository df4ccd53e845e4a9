"""Feedback becomes a version of the simulation's feedback; an answer is written beside its question."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from apps.simulation.models import FeedbackQuestion, Simulation, SimulationFeedback
from apps.simulation.orca.mixins import FeedbackMixin, SimcoreMixin
from apps.simulation.orca.schemas import HotwashContinuationSchema, HotwashInitialSchema
from orchestration.types import Response
from persistence.handlers import BasePersistenceHandler, persistence_handler


@persistence_handler
class HotwashInitialPersistence(SimcoreMixin, FeedbackMixin, BasePersistenceHandler):
    schema = HotwashInitialSchema

    def persist(self, response: Response) -> SimulationFeedback:
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        feedback = SimulationFeedback.objects.create(
            simulation=simulation, call_id=response.call_id, **columns_of(data)
        )
        if simulation.feedback_call_id == response.call_id:  # not the late answer of an older call
            simulation.feedback_arrived()
        return feedback

    def update(self, response: Response, made: list[Model]) -> list[Model]:
        """This version says what the answer says now."""
        columns = columns_of(self.schema.model_validate(response.structured_data))
        for feedback in made:
            if isinstance(feedback, SimulationFeedback) and any(
                getattr(feedback, name) != value for name, value in columns.items()
            ):
                for name, value in columns.items():
                    setattr(feedback, name, value)
                feedback.save(update_fields=list(columns))
        return made


def columns_of(data: HotwashInitialSchema) -> dict[str, Any]:
    """What the answer says, as SimulationFeedback has it; the model's account of its rules is left behind."""
    metrics = {metric.key: metric.value for metric in data.metrics}
    return data.model_dump(exclude={"metrics", "llm_conditions_check"}) | {"metrics": metrics}


@persistence_handler
class HotwashContinuationPersistence(SimcoreMixin, FeedbackMixin, BasePersistenceHandler):
    schema = HotwashContinuationSchema

    def persist(self, response: Response) -> FeedbackQuestion:
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        question = FeedbackQuestion.objects.get(pk=response.context["question_id"], simulation=simulation)
        question.answered(data.answer)
        return question
