"""Feedback on an ended simulation, and questions about it.

Everything here takes the simulation's row lock first, and the calls carry its ordering key: feedback is written after
the last reply, answers about it after the feedback.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from django.db import transaction

from apps.simulation.errors import (
    ClientIdReused,
    FeedbackMissing,
    FeedbackPending,
    NotEnded,
    NothingSaid,
    NotRetryable,
)
from apps.simulation.history import collect_history
from apps.simulation.models import FeedbackQuestion, FeedbackStatus, Simulation
from apps.simulation.orca.services import GenerateHotwashContinuation, GenerateHotwashInitialResponse
from apps.simulation.services.failed_calls import by_verdict, fail_feedback, settle_in_groups
from apps.simulation.services.failure_messages import try_again
from apps.simulation.services.submit import submit_about
from orchestration.engine.queue.transport import wake

if TYPE_CHECKING:
    from apps.accounts.models import User


def request_feedback(simulation: Simulation, requested_by: User | None = None) -> bool:
    """Submit the feedback call of a `locked()`, ended simulation; False when nothing was said or a call is pending."""
    if simulation.feedback_status == FeedbackStatus.PENDING or not _was_anything_said(simulation):
        return False
    call = submit_about(simulation, GenerateHotwashInitialResponse, requested_by or simulation.user)
    return simulation.expect_feedback(call)


def regenerate_feedback(simulation_id: int, user: User) -> Simulation:
    """Regenerate the feedback; older versions stay. Raises NotEnded, FeedbackPending or NothingSaid."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        if not simulation.has_ended:
            raise NotEnded
        if simulation.feedback_status == FeedbackStatus.PENDING:
            raise FeedbackPending
        if not request_feedback(simulation, user):
            raise NothingSaid
    return simulation


def ask_about_feedback(simulation_id: int, user: User, question: str, client_id: str | None = None) -> FeedbackQuestion:
    """Store a question about the feedback and submit the call that answers it, in one transaction.

    The same `client_id` again returns the same question. Raises FeedbackMissing or ClientIdReused.
    """
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        rows = FeedbackQuestion.objects.select_related("call").filter(simulation=simulation)
        known = None if client_id is None else rows.filter(client_id=client_id).first()
        if known is not None:
            if (known.question, known.asked_by_id) != (question, user.pk):
                raise ClientIdReused
            return known
        if simulation.feedback_status != FeedbackStatus.READY:
            raise FeedbackMissing
        asked = FeedbackQuestion.objects.create(
            simulation=simulation, asked_by=user, question=question, client_id=client_id
        )
        _ask(simulation, asked, user)
        asked.record_event()
    return asked


def retry_question(simulation_id: int, question_id: int) -> FeedbackQuestion:
    """Try a failed question again. Raises NotRetryable, and FeedbackQuestion.DoesNotExist."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        rows = FeedbackQuestion.objects.select_related("call", "asked_by")
        question = rows.get(pk=question_id, simulation=simulation)
        if not question.ask_again():
            raise NotRetryable("Only a question that failed can be retried.")
        if question.call is None:  # its call was pruned
            _ask(simulation, question, question.asked_by)
        elif try_again(question.call):
            transaction.on_commit(wake, robust=True)
        else:
            raise NotRetryable("The answer could not be stored; ask an operator to look at it.")
    return question


def settle_feedback(call_ids: Collection[str] | None = None) -> int:
    """Mark feedback and questions as failed whose call ended without a result; returns how many.

    `call_ids` limits it to these calls. The engine's signal triggers this at once; the sweep repeats it for all,
    because a signal is lost with its process.
    """
    without, questions = Simulation.objects.without_feedback(), FeedbackQuestion.objects.overdue()
    if call_ids is not None:
        without, questions = without.filter(feedback_call__in=call_ids), questions.filter(call__in=call_ids)
    waiting = [*without.values_list("pk", flat=True), *questions.values_list("simulation_id", flat=True)]
    return settle_in_groups(waiting, _settle)


def _settle(simulations: Sequence[int]) -> int:
    questions = by_verdict(FeedbackQuestion.objects.overdue().filter(simulation__in=simulations))
    failed = sum(FeedbackQuestion.fail_all(group, code) for (code, _), group in questions.items())
    return failed + fail_feedback(simulations)


def _was_anything_said(simulation: Simulation) -> bool:
    return any(entry["role"] == "user" for entry in collect_history(simulation).entries)


def _ask(simulation: Simulation, question: FeedbackQuestion, user: User | None) -> None:
    question.call = submit_about(simulation, GenerateHotwashContinuation, user, question_id=question.pk)
    question.save(update_fields=["call"])
