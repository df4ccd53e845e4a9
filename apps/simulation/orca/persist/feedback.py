"""Persists feedback as a new version, and an answer with its question."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from apps.simulation.models import FeedbackQuestion, Simulation, SimulationFeedback
from apps.simulation.orca.mixins import FeedbackMixin, SimcoreMixin
from apps.simulation.orca.schemas import HotwashContinuationSchema, HotwashInitialSchema
from orchestration.types import Response
from persistence.handlers import BasePersistenceHandler, persistence_handler

MOST_NEXT_TIME = 3


@persistence_handler
class HotwashInitialPersistence(SimcoreMixin, FeedbackMixin, BasePersistenceHandler):
    schema = HotwashInitialSchema

    def persist(self, response: Response) -> SimulationFeedback:
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        feedback = SimulationFeedback.objects.create(
            simulation=simulation, call_id=response.call_id, **columns_of(data, simulation.next_sequence)
        )
        if simulation.feedback_call_id == response.call_id:  # not a late answer of an earlier call
            simulation.feedback_arrived()
        return feedback

    def update(self, response: Response, made: list[Model]) -> list[Model]:
        """Update this version from the current answer."""
        simulation = Simulation.objects.get(pk=response.context["simulation_id"])
        columns = columns_of(self.schema.model_validate(response.structured_data), simulation.next_sequence)
        for feedback in made:
            if isinstance(feedback, SimulationFeedback) and vars(feedback) != vars(feedback) | columns:
                for name, value in columns.items():
                    setattr(feedback, name, value)
                feedback.save(update_fields=list(columns))
        return made


def columns_of(data: HotwashInitialSchema, next_sequence: int) -> dict[str, Any]:
    """The answer as columns of SimulationFeedback, without `llm_conditions_check`.

    `next_sequence` is the number of the message after the last one: the rubric refers to no message from there on.
    """
    metrics = {metric.key: metric.value for metric in data.metrics}
    rubric = [
        row.model_dump() | {"messages": sorted({number for number in row.messages if 0 < number < next_sequence})}
        for row in data.rubric
    ]
    changed = {"metrics": metrics, "rubric": rubric, "next_time": data.next_time[:MOST_NEXT_TIME]}
    return data.model_dump(exclude={"llm_conditions_check"}) | changed


@persistence_handler
class HotwashContinuationPersistence(SimcoreMixin, FeedbackMixin, BasePersistenceHandler):
    schema = HotwashContinuationSchema

    def persist(self, response: Response) -> FeedbackQuestion:
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        question = FeedbackQuestion.objects.get(pk=response.context["question_id"], simulation=simulation)
        question.answered(data.answer)
        return question
