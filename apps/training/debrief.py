"""What comes after the end: the feedback, questions about it, and everything that a debrief page tells."""

from __future__ import annotations

from typing import Any

from apps.simulation.models import FeedbackQuestion, Simulation, SimulationFeedback
from apps.simulation.verdicts import reason_of
from apps.training.parts import Part


def newest_feedback(simulation: Simulation) -> SimulationFeedback | None:
    return SimulationFeedback.objects.filter(simulation=simulation).order_by("-pk").first()


def feedback_part(simulation: Simulation, *, mine: bool) -> Part:
    """The newest feedback, or how it stands with it."""
    feedback = newest_feedback(simulation)
    context = {
        "simulation": simulation,
        "feedback": feedback,
        "metrics": metrics_of(feedback),
        "mine": mine,
        "reason": reason_of(simulation.feedback_failure_code),
    }
    shown = [simulation.feedback_status, simulation.feedback_failure_code, feedback and feedback.pk, mine]
    return Part(id="feedback", template="training/parts/feedback.html", shown=shown, context=context)


def questions_part(simulation: Simulation, *, mine: bool) -> Part:
    """What was asked about the feedback, and the answers."""
    rows = list(FeedbackQuestion.objects.filter(simulation=simulation).order_by("pk"))
    context = {"simulation": simulation, "questions": rows, "mine": mine}
    shown = [[row.pk, row.status, row.answer] for row in rows]
    return Part(id="questions", template="training/parts/questions.html", shown=shown, context=context)


def metrics_of(feedback: SimulationFeedback | None) -> list[tuple[str, Any]]:
    """Further judgements as (what, how)."""
    return [] if feedback is None else list(feedback.metrics.items())
