"""The page of one held result: what was asked, what was answered, the rows that it would write, and the decision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict

from orchestration.access_log import log_content_access
from orchestration.admin.attempt_display import attempts_of, audit_context
from orchestration.admin.base import may_read_content, openable
from orchestration.admin.call_actions import call_url
from orchestration.admin.call_detail import call_columns, content_url
from orchestration.admin.content_display import as_json, stored
from orchestration.admin.sections import Crumb, Fact
from orchestration.components.registry import schemas
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.operations import operation_of
from orchestration.theme.reach import show_to
from orchestration.theme.words import moment, short_id
from persistence.admin.approvals.answer_changes import answer_changes
from persistence.admin.approvals.answer_form import AnswerForm
from persistence.admin.approvals.deciding import decide
from persistence.admin.approvals.queue import KEPT, HoldQueue
from persistence.admin.approvals.rows import ShownRows
from persistence.admin.base import page, render, require
from persistence.approval.assignees import people_to_ask
from persistence.approval.rights import VIEW, may_decide, why_not
from persistence.approval.showing import Answers, answers_of
from persistence.models.approval import Hold, HoldState, Trigger
from persistence.operations import RERUN

STATE_COLOURS = {
    HoldState.OPEN.value: "warning",
    HoldState.APPROVED.value: "success",
    HoldState.EDITED.value: "success",
    HoldState.REJECTED.value: "danger",
    HoldState.EXPIRED.value: "danger",
    HoldState.SUPERSEDED.value: "",
}
TRIGGERS = {
    Trigger.ALWAYS.value: "every result",
    Trigger.RULE.value: "its own rule",
    Trigger.SHARE.value: "a share",
    Trigger.UNSURE.value: "the model is unsure",
    Trigger.CHANGES.value: "changes rows",
    Trigger.ROWS.value: "many rows",
    Trigger.RULE_FAILED.value: "its rule failed",
    Trigger.TOOL.value: "a tool",
}
"""What held it back, in a word or two, without anything of the answer."""
CLOSED = {
    HoldState.APPROVED.value: "It was approved, and its rows are written.",
    HoldState.EDITED.value: "It was edited and approved, and its rows are written.",
    HoldState.REJECTED.value: "It was rejected: nothing was written.",
    HoldState.EXPIRED.value: "Nobody decided by its deadline, so it was rejected: nothing was written.",
    HoldState.SUPERSEDED.value: "There is nothing left to decide: the call was retried, reverted or pruned, or its"
    " result was dealt with in another way.",
}
INSTRUCT = ("system", "developer")
"""The roles of messages that are the same for all calls of a service."""
TOOL_CLOSED = {
    HoldState.APPROVED.value: "It was approved: the tool is run.",
    HoldState.REJECTED.value: "It was rejected: the tool is not run, and the model is told why.",
    HoldState.EXPIRED.value: "Nobody decided by its deadline, so it was rejected: the tool is not run.",
}
AT_DEADLINE = {
    "reject": "then it is rejected",
    "approve": "then it is approved",
    "escalate": "then others are asked",
}


def queue_of(request: HttpRequest) -> HoldQueue:
    """The queue that somebody came from."""
    try:
        filters = QueryDict(request.GET.get(KEPT, ""))
    except TooManyFieldsSent:
        filters = QueryDict()
    return HoldQueue.of(request.user, filters)


def hold_or_none(object_id: str) -> Hold | None:
    """None for one that is no longer stored, and for what is not a key."""
    is_key = object_id.isascii() and object_id.isdecimal() and len(object_id) < 19
    rows = Hold.objects.select_related("assignee", "group", "requested_by")
    return rows.filter(pk=int(object_id)).first() if is_key else None


def item_page(request: HttpRequest, object_id: str) -> HttpResponse:
    """GET shows it. POST decides on what was shown, and shows the next."""
    require(request, VIEW)
    queue, hold = queue_of(request), hold_or_none(object_id)
    if hold is None:
        messages.warning(request, "This one is no longer stored; here is what waits.")
        return HttpResponseRedirect(queue.list_url())
    if request.method == "POST":
        return decide(request, hold, queue)
    return item_response(request, hold, queue)


@page("calls/<str:call_id>/approval/", "approval_of_call")
def approval_of_call(request: HttpRequest, call_id: str) -> HttpResponse:
    """To the newest hold of a call; to the call when it has none."""
    require(request, VIEW)
    hold = Hold.objects.of_call(call_id).only("pk").first()
    queue = HoldQueue(user=request.user)
    return HttpResponseRedirect(queue.item_url(hold.pk) if hold else call_url(call_id))


def item_response(request: HttpRequest, hold: Hold, queue: HoldQueue) -> HttpResponse:
    """The page."""
    content = may_read_content(request)
    call = call_columns(ServiceCallRecord.objects.filter(pk=hold.call_id)).first()
    if content and call is not None:
        log_content_access(request.user, call, ", to decide on it")
    before, after, kept = queue.before(hold), queue.after(hold), answers_of(hold)
    context = {
        **shared_context(request, hold, queue),
        "facts": [openable(request, fact) for fact in _facts(hold, call)],
        "decisions": list(hold.decisions.select_related("user")),
        "answer": shown_answer(hold, kept) if content and not hold.tool else None,
        "raw_answer": as_json(kept.current) if content else None,
        "error": hold.error or (kept.why if hold.is_open else ""),
        "input": _input(request, call) if content and call is not None else None,
        "rows": ShownRows(hold.shown or {}, content, request),
        "before_url": queue.item_url(before) if before else "",
        "after_url": queue.item_url(after) if after else "",
        "closed": what_came_of(hold),
        "changes": answer_changes(kept.answer, kept.edited) if content and kept.edited is not None else [],
        **_choices(request, hold),
    }
    return render(request, "approval.html", f"Approval: {service_name(hold)}", **context)


def shared_context(request: HttpRequest, hold: Hold, queue: HoldQueue) -> dict[str, Any]:
    """What the page of an item and that of its edit have in common."""
    return {
        "opts": hold._meta,
        "original": Crumb(hold, short_id(hold.call_id)),
        "hold": hold,
        "name": service_name(hold),
        "colour": STATE_COLOURS.get(hold.state, ""),
        "trigger": TRIGGERS.get(hold.trigger, hold.trigger),
        "content": may_read_content(request),
        "told": list(messages.get_messages(request)),
        "messages": [],  # which the theme would show, too, outside of what is replaced
        "list_url": queue.list_url(),
        "item_url": queue.item_url(hold.pk),
        "edit_url": queue.edit_url(hold.pk),
    }


def _choices(request: HttpRequest, hold: Hold) -> dict[str, Any]:
    """What this person may do with it, and why not."""
    if not hold.is_open:
        return {}
    why = why_not(request.user, hold)
    approved_by = [vote.user for vote in hold.votes().select_related("user")] if hold.persons > 1 else []
    has_voted = not why and request.user in approved_by
    return {
        "why_not": "You have approved it; it waits for another person." if has_voted else why,
        "may": not why and not has_voted,
        "may_reject": not why,
        "may_assign": may_decide(request.user),
        "approved_by": approved_by,
        "may_rerun": request.user.has_perm(RERUN.permission) and not hold.tool,
        **(people_to_ask(hold) if request.user.has_perm(operation_of("approve").permission) else {}),
    }


def _facts(hold: Hold, call: ServiceCallRecord | None) -> Iterator[Fact]:
    yield Fact("Call", short_id(hold.call_id), call_url(hold.call_id) if call else None)
    yield Fact("Waits since", moment(hold.opened_at))
    if hold.decided_at:
        yield Fact("Decided", moment(hold.decided_at))
    if hold.deadline:
        yield Fact("Deadline", moment(hold.deadline))
        yield Fact("At the deadline", AT_DEADLINE.get(hold.at_deadline, hold.at_deadline))
    asked = who_is_asked(hold)
    yield Fact("Who is asked", asked or "nobody in particular")
    if hold.requested_by:
        yield Fact("Requested by", hold.requested_by)
    if hold.priority:
        yield Fact("Priority", hold.priority)
    if call is not None and call.model:
        yield Fact("Model", call.model)


def _input(request: HttpRequest, call: ServiceCallRecord) -> dict[str, Any]:
    """What the model was asked: the messages that were last sent, else the input of the call."""
    audit = attempts_of(AIRequestAudit.objects.filter(call=call.pk)).order_by("-attempt", "repair", "pk").first()
    if audit is not None:
        show_to(request, [audit])
    found = audit_context(audit, content=True)["messages"] if audit is not None else []
    stored_parts = [(name, stored(call, name, url=content_url(call, name))) for name in ("input", "context")]
    return {
        "asked": [message for message in found if message.get("role") not in INSTRUCT],
        "instructions": [message for message in found if message.get("role") in INSTRUCT],
        "stored": [(name.title(), value) for name, value in stored_parts if value is not None],
    }


def shown_answer(hold: Hold, kept: Answers) -> AnswerForm | None:
    """The fields of the answer; None where its schema is no longer registered, it does not fit the present version, or
    it is not an object."""
    schema, data = schema_of(hold), kept.current
    fits = schema is not None and isinstance(data, dict) and not kept.why
    return AnswerForm(schema.model_json_schema(), data) if fits else None


def schema_of(hold: Hold) -> Any:
    """None where it is no longer registered."""
    return schemas.try_get(hold.schema_identity) if hold.schema_identity else None


def what_came_of(hold: Hold) -> str:
    """In a sentence; empty while it waits."""
    return (TOOL_CLOSED if hold.tool else {}).get(hold.state) or CLOSED.get(hold.state, "")


def service_name(hold: Hold) -> str:
    return hold.service_identity.rpartition(".")[2]


def who_is_asked(hold: Hold) -> str:
    """A person, a group, or nobody in particular (empty)."""
    return str(hold.assignee or hold.group or "")
