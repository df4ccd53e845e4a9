"""Operations on persisted results, declared like the engine's own (orchestration/operations.py).

Each goes through the functions that REST and commands use, and says what came of it instead of raising.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from orchestration.api.permissions import DECIDE as DECIDE_SCOPE
from orchestration.clock import database_now
from orchestration.errors import OrchestrationError
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.operations import REFUSED, ConsolePage, Operation, OperationResult, declare
from orchestration.types import JsonObject
from persistence.approval.decisions import Decided, approve, reject
from persistence.approval.rights import DECIDE, VIEW
from persistence.errors import DecisionRefused
from persistence.models.approval import Hold
from persistence.reprocessing.objections import Act, CallIds, objections
from persistence.reprocessing.reports import Policy, Report
from persistence.reprocessing.reprocess import reprocess_held, revert_held
from persistence.reprocessing.rerun import rerun, with_temperature
from persistence.reprocessing.rerun_costs import estimate
from persistence.reprocessing.revert import shortened

MAY_DRY_RUN = "orchestration.preview_servicecallrecord"
NOT_HELD = "its result does not wait for approval"
AS_OF = "as_of"
"""Of the options of an approval: until when what is approved was shown."""


# --- when a call is left alone --------------------------------------------------------------


def _against_rerunning(call: ServiceCallRecord, options: JsonObject) -> str:
    return "" if call.is_terminal else f"{call.status}; it has no answer of its own yet"


def _against_reprocessing(call: ServiceCallRecord, options: JsonObject) -> str:
    if call.status != Status.SUCCEEDED or call.domain_persist_state == PersistState.NONE:
        return f"{call.status}; it has no result to persist"
    if call.domain_persist_state == PersistState.HELD:
        return "it waits for approval"
    if call.result is None:
        return "its content was purged"
    if call.domain_persist_state == PersistState.PERSISTED and _policy(options) is Policy.KEEP:
        return "persisted already, and the policy is to keep that"
    return ""


def _against_reverting(call: ServiceCallRecord, options: JsonObject) -> str:
    return "" if call.domain_persist_state == PersistState.PERSISTED else "nothing of it is persisted"


def _against_deciding(call: ServiceCallRecord, options: JsonObject) -> str:
    return "" if call.domain_persist_state == PersistState.HELD else NOT_HELD


def _recreates(options: JsonObject) -> bool:
    return _policy(options) is Policy.RECREATE


def _refused_to_recreate(call_ids: CallIds, options: JsonObject) -> Mapping[str, str]:
    return objections(Act.RECREATE, call_ids) if _recreates(options) else {}


def _refused_to_revert(call_ids: CallIds, options: JsonObject) -> Mapping[str, str]:
    return objections(Act.REVERT, call_ids)


# --- doing it to one ------------------------------------------------------------------------


def _rerun(call: ServiceCallRecord, options: JsonObject, by: Any) -> OperationResult:
    objection = _against_rerunning(call, options)
    if objection:
        return OperationResult(outcome=REFUSED, error=objection)
    try:
        new_call = rerun(
            call,
            model=options.get("model") or None,
            parameters=with_temperature(options.get("temperature")),
            persist=bool(options.get("persist")),
            requested_by=by,
        )
    except OrchestrationError as error:
        return OperationResult(outcome=REFUSED, error=str(error))
    return OperationResult(outcome="asked again", made=new_call.pk)


def _what_a_rerun_writes(options: JsonObject) -> str:
    if options.get("persist"):
        return (
            "Their results will be persisted: the handlers write to the domain again, beside what the originals made"
            " (a second message in a conversation, say)."
        )
    return "Nothing will be persisted: the new answers are kept to be compared with the old ones, in pairs."


def _cost_of_rerunning(calls: QuerySet[ServiceCallRecord], options: JsonObject) -> JsonObject:
    return estimate(calls, str(options.get("model") or "")).as_json()


def _reprocess(call: ServiceCallRecord, options: JsonObject, by: Any) -> OperationResult:
    return _result(reprocess_held(call, _policy(options), force=_forced(options), dry=False))


def _dry_run(call: ServiceCallRecord, options: JsonObject, by: Any) -> OperationResult:
    return _result(reprocess_held(call, _policy(options), force=_forced(options), dry=True))


def _revert(call: ServiceCallRecord, options: JsonObject, by: Any) -> OperationResult:
    return _result(revert_held(call, force=_forced(options)))


def _approve(call: ServiceCallRecord, options: JsonObject, by: Any) -> OperationResult:
    def decide(hold: Hold) -> Decided:
        return approve(hold.pk, by=by, shown=hold.digest, note=options.get("note", ""))

    return _decided(call, options, by, decide)


def _reject(call: ServiceCallRecord, options: JsonObject, by: Any) -> OperationResult:
    return _decided(call, {}, by, lambda hold: reject(hold.pk, by=by, note=options.get("note", "")))


def _decided(
    call: ServiceCallRecord, options: JsonObject, by: Any, decide: Callable[[Hold], Decided]
) -> OperationResult:
    hold = Hold.objects.of_call(call.pk).open().filter(tool_key="").first()
    if hold is None or by is None:
        return OperationResult(outcome=REFUSED, error=NOT_HELD if hold is None else "a person has to decide")
    if AS_OF in options and hold.shown_at > datetime.fromisoformat(options[AS_OF]):
        return OperationResult(
            outcome=REFUSED, error="what it would write has been shown again since then: look at it again"
        )
    try:
        decided = decide(hold)
    except DecisionRefused as refused:
        return OperationResult(outcome=REFUSED, error=str(refused))
    if decided.wrote_nothing:
        return OperationResult(outcome=REFUSED, error=f"{decided.outcome.value}: {'; '.join(decided.differences)}")
    return OperationResult(outcome=decided.outcome.value)


def _as_shown_now(options: JsonObject) -> JsonObject:
    """Only what was shown before the list was frozen is approved with it."""
    return {**options, AS_OF: database_now().isoformat()}


def _policy(options: JsonObject) -> Policy:
    return Policy(options.get("policy", Policy.KEEP))


def _forced(options: JsonObject) -> bool:
    return bool(options.get("force"))


def _result(report: Report) -> OperationResult:
    outcome = report.outcome.would if report.dry_run else report.outcome.value
    error = report.error or " ".join(shortened(report.contradicted))
    return OperationResult(outcome=outcome, counts=report.counts, error=error, details=report)


# --- declared -------------------------------------------------------------------------------

DRY_RUN_PAGE = ConsolePage(
    url_name="persistence_dry_run", permission=MAY_DRY_RUN, options={"policy": Policy.UPDATE.value}
)

RERUN = declare(
    Operation(
        name="rerun",
        stored_as="replay",
        title="Rerun",
        permission="orchestration.replay_servicecallrecord",
        promise="will be asked again, each as a new, paid call beside the old one",
        summary="Ask the model again: a new, paid call beside this one, with what you change",
        icon="replay",
        costs=True,
        consequence=_what_a_rerun_writes,
        estimate=_cost_of_rerunning,
        pairs=True,
        objection=_against_rerunning,
        run=_rerun,
        form="persistence.admin.operation_forms.RerunForm",
        page=ConsolePage(url_name="persistence_rerun"),
        own_endpoint=True,
        in_background=True,
    )
)
REPROCESS = declare(
    Operation(
        name="reprocess",
        stored_as="persist",
        title="Reprocess",
        permission="orchestration.persist_servicecallrecord",
        promise="will have their stored results persisted now; no model is asked",
        summary="Persist the stored result again, or show what that would change: free, no model is asked",
        icon="preview",
        objection=_against_reprocessing,
        run=_reprocess,
        form="persistence.admin.operation_forms.ReprocessForm",
        page=DRY_RUN_PAGE,
        own_endpoint=True,
        in_background=True,
        refused_by_apps=_refused_to_recreate,
        tells_rows=True,
        is_rehearsed=_recreates,
    )
)
DRY_RUN = declare(
    replace(
        REPROCESS,
        name="dry-run",
        stored_as="preview",
        title="Dry run",
        permission=MAY_DRY_RUN,
        promise="will be persisted in transactions that are rolled back: only counts are kept",
        summary="Show what reprocessing would change; over REST a parameter of it",
        is_dry_run=True,
        is_rehearsed=lambda options: False,
        run=_dry_run,
    )
)
REVERT = declare(
    Operation(
        name="revert",
        title="Revert",
        permission="orchestration.revert_servicecallrecord",
        promise="will have what they persisted removed or restored",
        summary="Revert what the call's result became, or show what that would change",
        icon="undo",
        objection=_against_reverting,
        run=_revert,
        form="persistence.admin.operation_forms.RevertForm",
        page=ConsolePage(url_name="persistence_dry_run", query="how=revert", permission=MAY_DRY_RUN),
        own_endpoint=True,
        in_background=True,
        refused_by_apps=_refused_to_revert,
        newest_first=True,
        tells_rows=True,
        is_rehearsed=lambda options: True,
    )
)
ITEM_PAGE = ConsolePage(url_name="persistence_approval_of_call", permission=VIEW)

APPROVE = declare(
    Operation(
        name="approve",
        title="Approve",
        permission=DECIDE,
        promise="will be persisted exactly as they were shown; those that would now write something else keep waiting",
        done="approved",
        summary="Approve, edit and approve, or reject",
        icon="task_alt",
        objection=_against_deciding,
        run=_approve,
        form="persistence.admin.operation_forms.ApproveForm",
        page=ITEM_PAGE,
        own_endpoint=True,
        in_background=True,
        is_rehearsed=lambda options: True,
        scope=DECIDE_SCOPE,
        shown_by=VIEW,
        as_frozen=_as_shown_now,
    )
)
REJECT = declare(
    replace(
        APPROVE,
        name="reject",
        title="Reject",
        promise="will be rejected: nothing of their results is written",
        done="rejected",
        summary="Approve, edit and approve, or reject",
        icon="block",
        run=_reject,
        form="persistence.admin.operation_forms.RejectForm",
        is_rehearsed=lambda options: False,
        as_frozen=lambda options: options,
    )
)
