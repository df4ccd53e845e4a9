"""Steps that start and fail, and retrying and cancelling a run."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from apps.consensus import log
from apps.consensus.errors import NotCancellable, NotRetryable, StillStopping
from apps.consensus.models import ProposalVersion, Run, StepProgress, StepStatus
from apps.consensus.models.runs import EXPAND, UNDER_WAY
from apps.consensus.workflow.steps import fail_when_settled, request_proposal, request_reviews
from orchestration.engine.queue.transport import wake
from orchestration.errors import TransitionRefused
from orchestration.models import ServiceCallRecord
from orchestration.models.call_querysets import call_gave_no_result
from orchestration.models.states import PersistState
from orchestration.signals import dispatch, results_stored

PROVIDER_AUTH = "PROVIDER_AUTH"
AUTH_CODES = frozenset({"provider_auth", "provider_key_missing", "provider_key_invalid"})
NOT_STORED = "NOT_STORED"
CANCELLED = "CANCELLED"
REASONS = {
    PROVIDER_AUTH: "The provider does not accept our credentials; an operator has to correct them.",
    NOT_STORED: "The answer arrived but could not be stored; a retry stores it without asking the model again.",
    CANCELLED: "The step was cancelled.",
    "INVALID_OUTPUT": "The model's answer, and its repair, did not have the required form.",
    "REFUSED": "The model refused to answer.",
    "TRUNCATED": "The model's answer was cut off before its end.",
    "TIMEOUT": "The model did not answer in time.",
    "RATE_LIMITED": "The provider accepts no more requests at the moment.",
    "POISONED": "The worker process stopped too many times while the step ran.",
}
"""Messages by code. The provider's own message is in the audit only."""
VERDICT_COLUMNS = ("call__status", "call__error_code", "call__attempts", "call__domain_persist_state")
"""What is read of a call that gave no result: no content."""


def step_began(call_id: str, attempt: int) -> None:
    """A request of this call was sent."""
    for step in StepProgress.objects.filter(call=call_id, status__in=UNDER_WAY):
        with transaction.atomic():
            run = Run.objects.locked(step.run_id)
            current = run.steps.get(pk=step.pk)
            run.begin()
            if run.is_open and current.begin(attempt):
                transaction.on_commit(partial(log.step_changed, current), robust=True)


# --- failures -------------------------------------------------------------------------------


def overdue_steps() -> QuerySet[StepProgress]:
    """Steps under way whose call ended without a result: failed, cancelled, or it could not be stored."""
    return StepProgress.objects.filter(call_gave_no_result(), status__in=UNDER_WAY)


def settle_overdue(call_ids: Collection[str] | None = None) -> int:
    """Fail the steps whose call ended without a result, and their runs when nothing is under way; how many steps.

    `call_ids` limits it to these calls. The engine's signal triggers this at once; the sweep repeats it for all runs,
    because a signal is lost with its process.
    """
    found = overdue_steps() if call_ids is None else overdue_steps().filter(call__in=call_ids)
    return sum(map(_settle, sorted(set(found.order_by().values_list("run_id", flat=True)))))


def _settle(run_id: object) -> int:
    """All such steps of one run, in one transaction: when a provider is down, they come by the thousand."""
    with transaction.atomic():
        run = Run.objects.locked(str(run_id))
        failed, own = 0, [field.name for field in StepProgress._meta.concrete_fields]
        steps = run.steps.filter(call_gave_no_result(), status__in=UNDER_WAY).order_by("position")
        for step in steps.select_related("call").only(*own, *VERDICT_COLUMNS):
            if step.call is None:
                continue
            code = code_of(step.call)
            failed += step.fail(code, reason_of(code), step.call.attempts)
            transaction.on_commit(partial(log.step_changed, step, error_code=code), robust=True)
        if failed:
            fail_when_settled(run)
    return failed


def code_of(call: ServiceCallRecord) -> str:
    """Why a call gave no result, as the run's code."""
    if call.domain_persist_state == PersistState.DEAD:
        return NOT_STORED
    return PROVIDER_AUTH if call.error_code in AUTH_CODES else (call.error_code or call.status).upper()


def reason_of(code: str) -> str:
    return REASONS.get(code, f"The model could not answer ({code.lower()}).")


# --- what people ask for --------------------------------------------------------------------


def retry_run(run_id: object) -> Run:
    """Run the missing steps of a failed or cancelled run; stored results are neither requested nor paid for again.

    Raises NotRetryable, StillStopping and Run.DoesNotExist.
    """
    with transaction.atomic():
        run = Run.objects.locked(str(run_id))
        if not run.can_be_retried:
            raise NotRetryable
        for step in run.steps.exclude(status=StepStatus.COMPLETED).select_related("call"):
            if step.call is not None:
                _run_again(step.call)
            step.reset()
        run.resume()
        if ProposalVersion.objects.filter(run=run).exists():
            request_reviews(run)
        elif run.steps.filter(step=EXPAND, call__isnull=True).exists():  # its call was pruned
            request_proposal(run)
        transaction.on_commit(wake, robust=True)
        transaction.on_commit(partial(log.run_changed, "retried", run), robust=True)
    return run


def _run_again(call: ServiceCallRecord) -> None:
    """A failed call is tried again, a result that could not be stored is stored; one under way is left to it."""
    if call.can_be_retried:
        call.retry()
    elif call.domain_persist_state in (PersistState.DEAD, PersistState.SKIPPED):  # skipped: an operator reverted it
        call.persist_again()
        transaction.on_commit(partial(dispatch, results_stored, None, call_ids=[call.pk], immediate=False), robust=True)
    elif call.cancel_requested_at is not None and not call.is_terminal:
        raise StillStopping


def cancel_run(run_id: object) -> Run:
    """End a run and stop its requests; what is stored stays. Raises NotCancellable and Run.DoesNotExist."""
    with transaction.atomic():
        run = Run.objects.locked(str(run_id))
        if not run.mark_cancelled():
            raise NotCancellable
        for step in run.steps.filter(status__in=UNDER_WAY, call__isnull=False).select_related("call"):
            if step.call is not None and step.call.can_be_cancelled:
                _cancel(step.call)
            step.fail(CANCELLED, reason_of(CANCELLED), step.attempt_count)
        transaction.on_commit(partial(log.run_changed, "cancelled", run), robust=True)
    return run


def _cancel(call: ServiceCallRecord) -> None:
    try:
        call.cancel()
    except TransitionRefused:  # it ended in this moment; its result is stored and kept
        return
