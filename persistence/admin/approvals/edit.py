"""The page on which an answer is edited: fields made from its schema, what the edit would write, and its approval."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from pydantic import ValidationError

from orchestration.admin.base import may_read_content
from orchestration.engine.execution.validation import checked_data
from orchestration.errors import InvalidOutput
from orchestration.types import JsonObject
from orchestration.values.sanitize import legible
from persistence.admin.approvals.answer_changes import answer_changes
from persistence.admin.approvals.answer_form import AnswerForm, Path
from persistence.admin.approvals.deciding import STAY, approve_edit, attempted, go_on, named, tell
from persistence.admin.approvals.item import hold_or_none, queue_of, schema_of, shared_context
from persistence.admin.approvals.queue import HoldQueue
from persistence.admin.approvals.rows import ShownRows
from persistence.admin.base import render, require
from persistence.approval.decisions import preview_edit
from persistence.approval.rights import VIEW, why_not
from persistence.approval.showing import Answers, Shown, answers_of
from persistence.errors import HoldClosed, InvalidEdit, NotPersistable
from persistence.models.approval import Hold

LONGEST = 800_000
"""Characters of the JSON of an answer that is edited here: a form has it twice, and may have 2.5 MB."""
LONGEST_REASON = 300


def edit_page(request: HttpRequest, object_id: str) -> HttpResponse:
    """GET: the fields. POST: adds to a list, previews what the edit would write, or approves what was previewed."""
    require(request, VIEW)
    queue, hold = queue_of(request), hold_or_none(object_id)
    if hold is None:
        messages.warning(request, "This one is no longer stored; here is what waits.")
        return HttpResponseRedirect(queue.list_url())
    if not may_read_content(request):
        raise PermissionDenied
    schema = schema_of(hold)
    kept = answers_of(hold)
    why = _why_not_editable(request, hold, schema, kept)
    if why:
        messages.warning(request, why)
        return HttpResponseRedirect(queue.item_url(hold.pk))
    if request.method != "POST":
        return _shown(request, hold, queue, AnswerForm(schema.model_json_schema(), kept.current))
    return _sent(request, hold, queue, schema)


def _why_not_editable(request: HttpRequest, hold: Hold, schema: Any, kept: Answers) -> str:
    if not hold.is_open:
        return f"It is {hold.state} already."
    if hold.tool:
        return "The arguments of a tool are approved or rejected as they are."
    if schema is None or not isinstance(kept.current, dict):
        return "It cannot be edited: its schema is no longer registered."
    if kept.why:
        return f"It cannot be edited. {kept.why}"
    if len(json.dumps(kept.current)) > LONGEST:
        return "It is too long to be edited here: edit it over REST."
    return why_not(request.user, hold)


def _sent(request: HttpRequest, hold: Hold, queue: HoldQueue, schema: Any) -> HttpResponse:
    form = AnswerForm(schema.model_json_schema(), _base(request, hold))
    data = form.read(request.POST.dict())
    if not form.is_refused and {"add", "remove"} & set(request.POST):
        place = form.changed(data, request.POST.dict())
        return _shown(request, hold, queue, AnswerForm(schema.model_json_schema(), data), place=place)
    if not form.is_refused:
        check(form, data, schema)
    if form.is_refused:
        return _shown(request, hold, queue, form)
    if request.POST.get("do") == "approve":
        shown = request.POST.get("shown", "")
        decided = attempted(request, hold, queue, lambda: approve_edit(request, hold, data, shown))
        if isinstance(decided, HttpResponse):
            return decided
        tell(request, decided)
        if decided.outcome not in STAY:
            return go_on(hold, queue)
    return _previewed(request, hold, queue, AnswerForm(schema.model_json_schema(), data))


def _base(request: HttpRequest, hold: Hold) -> JsonObject:
    """The data that the form was made from, as it came back."""
    try:
        base = json.loads(request.POST.get("base", ""))
    except (ValueError, RecursionError):
        base = None
    return base if isinstance(base, dict) else answers_of(hold).current


def check(form: AnswerForm, data: JsonObject, schema: Any) -> None:
    """Note with each field what the schema says against it."""
    try:
        checked_data(data, schema)
    except InvalidOutput as error:
        cause = error.__cause__
        if not isinstance(cause, ValidationError):
            form.refuse((), str(error))
            return
        for found in cause.errors(include_url=False, include_input=False, include_context=False):
            form.refuse(found["loc"], legible(f"{found['msg']}.", LONGEST_REASON))


def _previewed(request: HttpRequest, hold: Hold, queue: HoldQueue, form: AnswerForm) -> HttpResponse:
    try:
        preview = preview_edit(hold.pk, form.data)
    except (Hold.DoesNotExist, HoldClosed):
        messages.warning(request, f"{named(hold)} was decided on, or is gone: nothing came of your edit.")
        return go_on(hold, queue)
    except (InvalidEdit, NotPersistable) as refused:
        form.refuse((), str(refused))
        return _shown(request, hold, queue, form)
    return _shown(request, hold, queue, form, preview=preview)


def _shown(
    request: HttpRequest,
    hold: Hold,
    queue: HoldQueue,
    form: AnswerForm,
    *,
    preview: Shown | None = None,
    place: Path | None = None,
) -> HttpResponse:
    wrong = next((each.name for each in form.root.walk() if each.errors), "")
    at = form.root.find(place) if place is not None else None
    leaf = next((each for each in at.walk() if each.kind not in {"object", "list"}), at) if at else None
    return render(
        request,
        "approval_edit.html",
        f"Edit {hold.service_identity.rpartition('.')[2]}",
        **shared_context(request, hold, queue),
        form=form,
        base=json.dumps(form.data),
        focus=wrong or (leaf.name if leaf else ""),
        note=request.POST.get("note", ""),
        preview=ShownRows(preview.report.as_json(), content=True, request=request) if preview else None,
        shown=preview.digest if preview else "",
        changes=answer_changes(answers_of(hold).answer, form.data) if preview else [],
    )
