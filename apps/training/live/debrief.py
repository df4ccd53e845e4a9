"""The parts of the page of an ended simulation: the feedback, and the questions about it."""

from __future__ import annotations

from typing import Any

from apps.chatlab.models import Message
from apps.simulation.models import FeedbackQuestion, Simulation, SimulationFeedback
from apps.simulation.services.failure_messages import Subject, explanation
from apps.trainerlab.services.debrief import figures_of
from apps.training.live.fragments import Part

LONGEST_EXCERPT = 120


def newest_feedback(simulation: Simulation) -> SimulationFeedback | None:
    return SimulationFeedback.objects.filter(simulation=simulation).order_by("-pk").first()


def feedback_part(simulation: Simulation, *, mine: bool) -> Part:
    """The newest feedback, or its state."""
    feedback = newest_feedback(simulation)
    context = {
        "simulation": simulation,
        "feedback": feedback,
        "metrics": metrics_of(feedback),
        "rubric": rubric_of(simulation, feedback),
        "figures": figures_of(simulation),
        "mine": mine,
        "reason": explanation(simulation.feedback_failure_code, Subject.FEEDBACK),
    }
    shown = [simulation.feedback_status, simulation.feedback_failure_code, feedback and feedback.pk, mine]
    return Part(id="feedback", template="training/parts/feedback.html", shown=shown, context=context)


def questions_part(simulation: Simulation, *, mine: bool) -> Part:
    """The questions about the feedback and their answers."""
    rows = list(FeedbackQuestion.objects.filter(simulation=simulation).order_by("pk"))
    for row in rows:
        row.reason = explanation(row.failure_code, Subject.ANSWER)  # type: ignore[attr-defined]  # for the template
    context = {"simulation": simulation, "questions": rows, "mine": mine}
    shown = [[row.pk, row.status, row.answer] for row in rows]
    return Part(id="questions", template="training/parts/questions.html", shown=shown, context=context)


def rubric_of(
    simulation: Simulation, feedback: SimulationFeedback | None, anchor: str = "message-{0.pk}"
) -> list[dict[str, Any]]:
    """The criteria of a feedback, each with the messages that it refers to, which are at `anchor` of the page; numbers
    of no message are left out."""
    rows: list[dict[str, Any]] = feedback.rubric if feedback else []
    numbers = {number for row in rows for number in row.get("messages", ())}
    known = Message.objects.filter(simulation=simulation, sequence__in=numbers, is_deleted=False)
    messages = {row.sequence: _referred(row, anchor) for row in known}
    return [{**row, "messages": [messages[n] for n in row.get("messages", ()) if n in messages]} for row in rows]


def _referred(message: Message, anchor: str) -> dict[str, Any]:
    excerpt = " ".join(message.content.split())[:LONGEST_EXCERPT]
    return {"anchor": anchor.format(message), "sequence": message.sequence, "excerpt": excerpt}


def metrics_of(feedback: SimulationFeedback | None) -> list[tuple[str, Any]]:
    """Further ratings as (name, value)."""
    return [] if feedback is None else list(feedback.metrics.items())
