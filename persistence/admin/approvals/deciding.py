"""What the buttons of the approval pages do, what is said about it, and where one goes then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from orchestration.admin.base import may_read_content
from orchestration.errors import OrchestrationError
from orchestration.theme.words import short_id
from orchestration.values.generic_refs import key_of
from orchestration.values.plain_text import plain_text
from persistence.admin.approvals.queue import HoldQueue
from persistence.approval.decisions import (
    Decided,
    DecisionOutcome,
    approve,
    assign,
    edit_and_approve,
    reject,
    show_again,
)
from persistence.approval.rights import check_permissions
from persistence.errors import DeadlinePassed, DecisionRefused, HoldClosed, InvalidDecision
from persistence.models.approval import Hold
from persistence.operations import RERUN

SEE_OTHER = 303
NOTE, NOTE_ID = "note", "orca-note"
SAID = {
    DecisionOutcome.PERSISTED: "Approved: {}.",
    DecisionOutcome.WAITING: "Approved by you: {} waits for another person.",
    DecisionOutcome.REJECTED: "Rejected: {}.",
    DecisionOutcome.ASSIGNED: "Assigned: {}.",
    DecisionOutcome.SUPERSEDED: "{}: there is nothing left to decide, the call was retried, reverted or pruned.",
    DecisionOutcome.MOVED: "Nothing was written: since you looked, what it would write has changed. Below is what it"
    " would write now; look at it, and decide again.",
    DecisionOutcome.FAILED: "Nothing was written: it cannot be persisted as things are. Below is why.",
}
STAY = {DecisionOutcome.MOVED, DecisionOutcome.FAILED}

Act = Callable[[HttpRequest, Hold], Decided]


def decide(request: HttpRequest, hold: Hold, queue: HoldQueue) -> HttpResponse:
    """Do what the button says; then the next one, or this one again when it has to be looked at again."""
    if not may_read_content(request):
        raise PermissionDenied
    here, do = queue.item_url(hold.pk), request.POST.get("do", "")
    decided = attempted(request, hold, queue, lambda: ACTS.get(do, _show_again)(request, hold))
    if isinstance(decided, HttpResponse):
        return decided
    if do == "show" and decided.hold.digest == hold.digest:
        messages.info(request, "It would still write what is shown.")
        return go_to(here)
    tell(request, decided)
    stays = decided.outcome in STAY or (do == "take" and decided.outcome is DecisionOutcome.ASSIGNED)
    return go_to(here) if stays else go_on(hold, queue)


def attempted(request: HttpRequest, hold: Hold, queue: HoldQueue, act: Callable[[], Decided]) -> Decided | HttpResponse:
    """A decision, or where one goes when it could not be taken, which is told: to the next where nothing is left to
    decide, else to the item again."""
    here = queue.item_url(hold.pk)
    try:
        return act()
    except Hold.DoesNotExist:
        messages.warning(request, f"{named(hold)} is no longer stored.")
    except (HoldClosed, DeadlinePassed) as refused:
        messages.warning(request, f"{named(hold)}: {refused} Nothing came of your decision.")
    except InvalidDecision as refused:
        messages.error(request, str(refused))
        return go_to(f"{here}#{NOTE_ID}")
    except (DecisionRefused, OrchestrationError) as refused:
        messages.error(request, str(refused))
        return go_to(here)
    return go_on(hold, queue)


def tell(request: HttpRequest, decided: Decided) -> None:
    """What came of it."""
    said = SAID[decided.outcome].format(named(decided.hold))
    if decided.made:
        said = f"{said.rstrip('.')}, and asked the model again."
    messages.add_message(request, messages.WARNING if decided.wrote_nothing else messages.SUCCESS, said)


def go_on(hold: Hold, queue: HoldQueue) -> HttpResponse:
    """To the next one; to the list when nothing is left."""
    following = queue.next_after(hold)
    return go_to(queue.item_url(following) if following else queue.list_url())


def go_to(url: str) -> HttpResponse:
    return HttpResponseRedirect(url, status=SEE_OTHER)


def named(hold: Hold) -> str:
    return f"{hold.service_identity.rpartition('.')[2]} {short_id(hold.call_id)}"


def note_of(request: HttpRequest) -> str:
    """The note that was written, without what cannot be stored; InvalidDecision says what that is."""
    try:
        return plain_text(request.POST.get(NOTE, "").replace("\r\n", "\n").strip())
    except ValueError as error:
        raise InvalidDecision(f"The note {error}.") from None


# --- the buttons --------------------------------------------------------------------------------


def _approve(request: HttpRequest, hold: Hold) -> Decided:
    return approve(hold.pk, by=request.user, shown=request.POST.get("shown", ""), note=note_of(request))


def _reject(request: HttpRequest, hold: Hold) -> Decided:
    again = "rerun" in request.POST
    if again and not request.user.has_perm(RERUN.permission):
        raise PermissionDenied
    shown = request.POST.get("shown") or None
    return reject(hold.pk, by=request.user, note=note_of(request), shown=shown, rerun=again)


def _assign(request: HttpRequest, hold: Hold) -> Decided:
    """To whom the select says: `user-3`, `group-2`, or nobody."""
    kind, _, key = request.POST.get("to", "").partition("-")
    models: dict[str, Any] = {"user": get_user_model(), "group": Group}
    found = key_of(models.get(kind), key)
    chosen = models[kind]._default_manager.filter(pk=found).first() if found is not None else None
    escalate = request.POST.get("do") == "escalate"
    if chosen is None and (kind or escalate):
        raise InvalidDecision("Choose the person or the group to ask.")
    return assign(hold.pk, by=request.user, **{kind: chosen} if kind else {}, note=note_of(request), escalate=escalate)


def _take(request: HttpRequest, hold: Hold) -> Decided:
    return assign(hold.pk, by=request.user, user=request.user, note=note_of(request))


def _show_again(request: HttpRequest, hold: Hold) -> Decided:
    check_permissions(request.user, hold)
    fresh = show_again(hold.pk)
    return Decided(hold=fresh, outcome=DecisionOutcome.FAILED if fresh.error else DecisionOutcome.MOVED)


ACTS: dict[str, Act] = {
    "approve": _approve,
    "reject": _reject,
    "assign": _assign,
    "escalate": _assign,
    "take": _take,
    "show": _show_again,
}


def approve_edit(request: HttpRequest, hold: Hold, answer: Any, shown: str) -> Decided:
    """Approve an edited answer of which a preview was shown."""
    return edit_and_approve(hold.pk, by=request.user, answer=answer, shown=shown, note=note_of(request))
