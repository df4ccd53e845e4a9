"""What people decide about held results: approve, edit and approve, reject, assign. Each in one transaction.

Approving persists, and compares what that did, row by row, with what was shown, before it is committed. When they
differ nothing stays; what it would write now is stored, shown, and asked about again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from django.db import transaction

from orchestration.clock import database_now
from orchestration.engine.failure_event import announce_failure, announce_without_result, sender_of
from orchestration.engine.queue.database_thread import is_away
from orchestration.isolation import isolated
from orchestration.models import ServiceCallRecord
from orchestration.models.persist_state import REJECTED
from orchestration.models.states import PersistState
from orchestration.signals import dispatch
from orchestration.types import JsonObject
from orchestration.values.sanitize import legible
from persistence import log
from persistence.approval import tools
from persistence.approval.asking_again import ask_the_model_again
from persistence.approval.rights import NEEDED, check_right, may_decide, why_not
from persistence.approval.showing import (
    Shown,
    checked_edit,
    digest_of,
    in_present_version,
    persist,
    put_answer,
    show_hold,
    tried,
)
from persistence.errors import (
    DeadlinePassed,
    HoldClosed,
    HoldSuperseded,
    InvalidDecision,
    MayNotDecide,
    SamePerson,
    ShownOutdated,
)
from persistence.models.approval import MAX_NOTE, VOTES, DecisionKind, Hold, HoldState
from persistence.outbox.announcements import release
from persistence.reprocessing.dry_run_check import differences
from persistence.reprocessing.reprocess import held_call
from persistence.signals import hold_decided
from persistence.tracking.saved_files import deleting_rolled_back_files

REJECTED_CODE = "rejected"
"""The error code of `ai_response_failed` for a rejected result."""


class DecisionOutcome(StrEnum):
    """What came of a decision."""

    PERSISTED = "persisted"
    WAITING = "waiting"
    """For another person's approval."""
    MOVED = "moved"
    """Nothing was written: it would write something else by now, which is shown instead."""
    FAILED = "failed"
    """Nothing was written: it cannot be persisted now; `error` says why."""
    REJECTED = "rejected"
    ASSIGNED = "assigned"
    SUPERSEDED = "superseded"
    """Nothing was written: the call is gone, or its result was dealt with in another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision that was taken, or why nothing came of it."""

    hold: Hold
    outcome: DecisionOutcome
    differences: list[str] = field(default_factory=list)
    """What is different from what was shown, without values."""
    error: str = ""
    shown: Shown | None = None
    """Of an edit that would write something else than its preview said: what it would write."""
    made: str = ""
    """The id of the call that asks the model again."""

    @property
    def wrote_nothing(self) -> bool:
        """Whether the decision has to be taken again, or no longer is one."""
        return self.outcome in {DecisionOutcome.MOVED, DecisionOutcome.FAILED, DecisionOutcome.SUPERSEDED}


class _Moved(Exception):
    """What was done is not what was shown."""


# --- approve ----------------------------------------------------------------------------------


def approve(hold_id: int, *, by: Any, shown: str, note: str = "") -> Decided:
    """Persist exactly what was shown to this person, whose digest is `shown`; or, when it takes two, note that one has
    approved it. A repetition of what was done, or noted, gives the same again.

    Raises Hold.DoesNotExist, or a DecisionRefused.
    """
    with transaction.atomic():
        hold, record = lock(hold_id)
        done = _done_before(hold, by, DecisionKind.APPROVE, shown)
        if done is not None:
            return done
        _check(hold, by)
        if record is None:
            return supersede(hold)
        if shown != hold.digest:
            raise ShownOutdated
        return _vote(hold, record, DecisionKind.APPROVE, by, note)


def preview_edit(hold_id: int, answer: Any) -> Shown:
    """What an edited answer would write. Raises Hold.DoesNotExist, HoldClosed, InvalidEdit or NotPersistable."""
    with transaction.atomic():
        hold, record = lock(hold_id)
        record = _undecided(hold, record)
        _refuse_tool(hold)
        return tried(record, checked_edit(record, answer))


def edit_and_approve(hold_id: int, *, by: Any, answer: Any, shown: str, note: str = "") -> Decided:
    """Put an edited answer in the place of the model's and approve that. `shown` is the digest of its preview, which
    is compared like what `approve` is given. The model's own answer stays with its audit and with the hold."""
    with transaction.atomic():
        hold, record = lock(hold_id)
        done = _done_before(hold, by, DecisionKind.EDIT, shown)
        if done is not None:
            return done
        _check(hold, by)
        if record is None:
            return supersede(hold)
        _refuse_tool(hold)
        data = checked_edit(record, answer)
        preview = tried(record, data)
        if preview.digest != shown:
            return Decided(hold=hold, outcome=DecisionOutcome.MOVED, shown=preview)
        with transaction.atomic():
            is_same = digest_of(data) == digest_of(in_present_version(hold, hold.answer))  # to Python 1 == True
            _show(hold, preview, edited=None if is_same else data)
            decided = _vote(hold, held_call(hold.call_id), DecisionKind.EDIT, by, note)
            if decided.wrote_nothing:  # nor is the edit kept: its author has to confirm what it would write by now
                transaction.set_rollback(True)
        if decided.wrote_nothing:
            hold.refresh_from_db()
        return decided


def _refuse_tool(hold: Hold) -> None:
    if hold.tool:
        raise InvalidDecision("The arguments of a tool are approved or rejected as they are.")


def _vote(hold: Hold, record: ServiceCallRecord | None, kind: DecisionKind, by: Any, note: str) -> Decided:
    """Persist it when enough people have approved what is shown."""
    voters = [vote.user for vote in hold.votes().exclude(user=None).select_related("user")]
    if by in voters:
        raise SamePerson
    others = [voter for voter in voters if not why_not(voter, hold)]  # not those who left, or lost the right
    if len(others) + 1 < hold.persons:
        hold.note(kind, by=by, note=legible(note, MAX_NOTE))
        tell(hold, kind, by)
        return Decided(hold=hold, outcome=DecisionOutcome.WAITING)
    return persist_decided(hold, record, kind, by, note)


def persist_decided(hold: Hold, record: ServiceCallRecord | None, kind: DecisionKind, by: Any, note: str) -> Decided:
    """What the decision, the rows and the closed hold stand or fall with together."""
    if record is None:
        return supersede(hold)
    if hold.tool:
        return _let_run(hold, record, kind, by, note)
    changed: list[str] = []
    with isolated() as run, deleting_rolled_back_files(), transaction.atomic():  # a handler may raise anything
        hold.note(kind, by=by, note=legible(note, MAX_NOTE))
        if hold.edited is not None:
            put_answer(record, in_present_version(hold, hold.edited), store=True)
        _, now = persist(record, dry=False)
        changed = differences(hold.essence, now)
        if changed:
            raise _Moved
    if run.error is None:
        hold.close(HoldState.APPROVED if hold.edited is None else HoldState.EDITED)
        tell(hold, kind, by)
        return Decided(hold=hold, outcome=DecisionOutcome.PERSISTED)
    if is_away(run.error):
        raise run.error
    return _ask_again(hold, changed, run.error)


def _let_run(hold: Hold, record: ServiceCallRecord, kind: DecisionKind, by: Any, note: str) -> Decided:
    hold.note(kind, by=by, note=legible(note, MAX_NOTE))
    hold.close(HoldState.APPROVED)
    tools.go_on(record)
    tell(hold, kind, by)
    return Decided(hold=hold, outcome=DecisionOutcome.PERSISTED)


def _ask_again(hold: Hold, changed: list[str], error: Exception) -> Decided:
    """Show what it would write now, or why it cannot be persisted."""
    record = held_call(hold.call_id)
    if record is None:
        return supersede(hold)
    with isolated() as run, transaction.atomic():
        fresh = show_hold(hold, record)
    if run.error is not None and is_away(run.error):
        raise run.error
    why = "" if isinstance(error, _Moved) else log.explain(error)
    if run.error is None:
        _show(hold, fresh, moved=changed or differences(hold.essence, fresh.essence))
    else:
        why = log.explain(run.error)
        hold.error, hold.digest, hold.shown_at = why, digest_of(hold.digest, why), database_now()
        hold.save(update_fields=["error", "digest", "shown_at"])
    outcome = DecisionOutcome.FAILED if why else DecisionOutcome.MOVED
    return Decided(hold=hold, outcome=outcome, differences=hold.moved, error=why)


def show_again(hold_id: int) -> Hold:
    """Show what it would write now, for somebody who looks at it later; approvals of what was shown before do not count
    for something else. Raises Hold.DoesNotExist, or HoldClosed."""
    with transaction.atomic():
        hold, record = lock(hold_id)
        _undecided(hold, record)
        if hold.tool:
            return hold
        return _ask_again(hold, [], _Moved()).hold


def _show(hold: Hold, fresh: Shown, **changes: Any) -> None:
    columns: JsonObject = {**fresh.columns(), "shown_at": database_now(), "error": "", "moved": []}
    columns |= {"answer": in_present_version(hold, hold.answer), "edited": in_present_version(hold, hold.edited)}
    columns |= {"persons": max(hold.persons, fresh.persons), **changes}  # more rows may take two, fewer do not take one
    for name, value in columns.items():
        setattr(hold, name, value)
    hold.save(update_fields=list(columns))


# --- reject, assign ---------------------------------------------------------------------------


def reject(hold_id: int, *, by: Any, note: str, shown: str | None = None, rerun: bool = False) -> Decided:
    """Write nothing of it, for the reason in `note`; with `rerun` the model is asked again, and told the reason.

    `shown` may be left out: whatever it would write, nothing is written. Raises Hold.DoesNotExist, a DecisionRefused,
    and with `rerun` what submitting a call raises.
    """
    if not any(each.isprintable() and not each.isspace() for each in note):
        raise InvalidDecision("Say why it is rejected.")
    with transaction.atomic():
        hold, record = lock(hold_id)
        done = _done_before(hold, by, DecisionKind.REJECT, shown)
        if done is not None:
            return done
        _check(hold, by)
        if record is None:
            return supersede(hold)
        if shown is not None and shown != hold.digest:
            raise ShownOutdated
        if rerun:
            _refuse_tool(hold)
        made = ask_the_model_again(record, note) if rerun else ""
        hold.note(DecisionKind.REJECT, by=by, note=legible(note, MAX_NOTE))
        drop(hold, record, HoldState.REJECTED)
        tell(hold, DecisionKind.REJECT, by)
        return Decided(hold=hold, outcome=DecisionOutcome.REJECTED, made=made)


def drop(hold: Hold, record: ServiceCallRecord, state: HoldState) -> None:
    hold.close(state)
    if hold.tool:
        tools.go_on(record)
        return
    record.mark_rejected()
    transaction.on_commit(partial(_announce_rejected, record), robust=True)


def _announce_rejected(record: ServiceCallRecord) -> None:
    announce_failure(record, error_code=REJECTED_CODE, error=REJECTED, retryable=False)
    announce_without_result([record])
    release(record)


def assign(
    hold_id: int, *, by: Any, user: Any = None, group: Any = None, note: str = "", escalate: bool = False
) -> Decided:
    """Ask another person, or a group, or with neither nobody in particular. Raises Hold.DoesNotExist or a
    DecisionRefused: a person who may not decide on it is not asked either."""
    with transaction.atomic():
        hold, record = lock(hold_id)
        if record is None and hold.is_open:
            return supersede(hold)
        _undecided(hold, record)
        if not may_decide(by):
            raise MayNotDecide(f"Assigning needs the permissions {' and '.join(NEEDED)}.")
        if user is not None:
            _check_assignee(user, hold)
        hold.assignee, hold.group = user, group
        hold.save(update_fields=["assignee", "group"])
        kind = DecisionKind.ESCALATE if escalate else DecisionKind.ASSIGN
        hold.note(kind, by=by, note=legible(note, MAX_NOTE))
        tell(hold, kind, by)
        return Decided(hold=hold, outcome=DecisionOutcome.ASSIGNED)


def _check_assignee(user: Any, hold: Hold) -> None:
    try:
        check_right(user, hold)
    except MayNotDecide as error:
        raise InvalidDecision(f"{user} cannot be asked: {error}") from None


# --- what all have in common -------------------------------------------------------------------


def lock(hold_id: int) -> tuple[Hold, ServiceCallRecord | None]:
    """The hold and its call, both held by this transaction; None for a call whose result is no longer held.

    The call first, as the drain does.
    """
    call_id = Hold.objects.values_list("call_id", flat=True).get(pk=hold_id)
    record = held_call(call_id)
    hold = Hold.objects.select_for_update(no_key=True).get(pk=hold_id)
    return hold, record if record is not None and _still_waits(hold, record) else None


def _still_waits(hold: Hold, record: ServiceCallRecord) -> bool:
    if hold.tool:
        return tools.still_waits(record)
    return record.domain_persist_state == PersistState.HELD and record.result is not None


def _check(hold: Hold, by: Any) -> None:
    """MayNotDecide, HoldClosed, or DeadlinePassed where the deadline decides."""
    check_right(by, hold)
    if not hold.is_open:
        raise HoldClosed(_who_closed(hold))
    if hold.is_overdue() and hold.at_deadline in {"reject", "approve"}:
        raise DeadlinePassed


def _undecided(hold: Hold, record: ServiceCallRecord | None) -> ServiceCallRecord:
    """Its call; HoldClosed or HoldSuperseded when there is nothing to decide."""
    if not hold.is_open:
        raise HoldClosed(_who_closed(hold))
    if record is None:
        raise HoldSuperseded
    return record


def _who_closed(hold: Hold) -> str:
    last = hold.decisions.select_related("user").last()
    who = f" by {last.user}" if last is not None and last.user is not None else ""
    return f"It is {hold.state} already{who}."


def _done_before(hold: Hold, by: Any, kind: DecisionKind, shown: str | None) -> Decided | None:
    """What this very decision came to when it was sent before: a client may repeat a request without harm."""
    mine = hold.decisions.filter(user=by, kind=kind)
    if hold.is_open:
        waits = kind in VOTES and shown == hold.digest and mine.filter(digest=shown).exists()
        return Decided(hold=hold, outcome=DecisionOutcome.WAITING) if waits else None
    if hold.state not in {HoldState.APPROVED, HoldState.EDITED, HoldState.REJECTED}:
        return None
    if not (mine if shown is None else mine.filter(digest=shown)).exists():
        return None
    rejected = hold.state == HoldState.REJECTED
    return Decided(hold=hold, outcome=DecisionOutcome.REJECTED if rejected else DecisionOutcome.PERSISTED)


def supersede(hold: Hold) -> Decided:
    hold.close(HoldState.SUPERSEDED)
    return Decided(hold=hold, outcome=DecisionOutcome.SUPERSEDED)


def tell(hold: Hold, kind: DecisionKind, by: Any) -> None:
    """When it is committed."""
    transaction.on_commit(partial(_announce, hold, kind, by), robust=True)


def _announce(hold: Hold, kind: DecisionKind, by: Any) -> None:
    log.decided(hold.pk, hold.call_id, kind, hold.state)
    record = ServiceCallRecord.objects.filter(pk=hold.call_id).first()
    if record is not None:
        told = {"hold_id": hold.pk, "kind": kind.value, "state": hold.state, "user_id": by.pk if by else None}
        dispatch(hold_decided, sender_of(record), **told, **record.signal_payload())
