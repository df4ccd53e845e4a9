"""Why rows of a completed run may not be reverted or recreated."""

from __future__ import annotations

from uuid import UUID

from django.contrib.contenttypes.models import ContentType

from apps.consensus.models import Decision, Run, RunStatus, StepProgress
from apps.consensus.orca.mixins import ConsensusMixin
from orchestration.models import ServiceCallRecord
from persistence.models import ObjectAction, PersistedObject
from persistence.reprocessing.objections import Act, CallIds, objects_to

DECIDED = "Its run is completed, and the decision is based on it: revise the run instead."


@objects_to(Act.RECREATE)
def keep_decisions(call_ids: CallIds) -> dict[str, str]:
    """A decision is never recalculated."""
    return dict.fromkeys(_of_completed_runs(call_ids), DECIDED)


@objects_to(Act.REVERT)
def keep_reviews_of_decisions(call_ids: CallIds) -> dict[str, str]:
    """A completed run must keep what its decision is based on. Reverting the review that led to the decision reverts
    the decision as well, and the run is open again."""
    decisions = PersistedObject.objects.filter(
        chunk__call_id__in=call_ids,
        content_type=ContentType.objects.get_for_model(Decision),
        action=ObjectAction.CREATED,
    )
    with_decision = set(decisions.values_list("chunk__call_id", flat=True))
    return dict.fromkeys(_of_completed_runs(call_ids) - with_decision, DECIDED)


def _of_completed_runs(call_ids: CallIds) -> set[str]:
    steps = StepProgress.objects.filter(call__in=call_ids, run__status=RunStatus.COMPLETED)
    calls = ServiceCallRecord.objects.filter(pk__in=call_ids, namespace=ConsensusMixin.namespace)
    run_of = dict(calls.values_list("pk", "context__run_id"))
    named = {call_id: run_id for call_id, run_id in run_of.items() if _is_uuid(run_id)}
    completed = Run.objects.filter(status=RunStatus.COMPLETED).only("pk").in_bulk(list(set(named.values())))
    of_steps = {str(call_id) for call_id in steps.values_list("call_id", flat=True)}
    return of_steps | {call_id for call_id, run_id in named.items() if UUID(run_id) in completed}


def _is_uuid(text: object) -> bool:
    """A call that was submitted by hand may contain anything."""
    try:
        return isinstance(text, str) and bool(UUID(text))
    except ValueError:
        return False
