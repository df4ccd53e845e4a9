"""On a call's page: what waited for a person, who decided, and what they changed in the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models.fields.json import KeyTransform
from django.http import HttpRequest

from orchestration.admin.base import may_read_content
from orchestration.admin.content_display import as_json, stored
from orchestration.admin.sections import Section, Tab, add_call_sections
from orchestration.models import ServiceCallRecord
from orchestration.values.truncated_json import cut, text_of, value_of
from persistence.admin.approvals.answer_changes import answer_changes
from persistence.admin.approvals.item import STATE_COLOURS, TRIGGERS, what_came_of, who_is_asked
from persistence.admin.approvals.queue import HoldQueue
from persistence.approval.rights import VIEW
from persistence.approval.showing import VERSION, answers_of
from persistence.models.approval import Hold, holds_of

ANSWERS = ("answer", "edited")
SIDES = ("The model's answer", "Edited")


@add_call_sections
def approvals_of_call(request: HttpRequest, call: ServiceCallRecord) -> Iterator[Section]:
    """Above the tabs while something waits, among the rows once it is decided."""
    if not request.user.has_perm(VIEW):
        return
    rows = holds_of([call.pk]).select_related("assignee", "group").defer("shown", "essence")
    holds = list(cut(rows.annotate(shown_version=KeyTransform(VERSION, "shown")), ANSWERS))
    if not holds:
        return
    waits = any(hold.is_open for hold in holds)
    content = may_read_content(request)
    yield Section(
        title="Waits for approval" if waits else "Approval",
        tab=None if waits else Tab.ROWS,
        template="admin/persistence/approval_section.html",
        context={"holds": [_shown(request, hold, content=content) for hold in holds], "content": content},
    )


def _shown(request: HttpRequest, hold: Hold, *, content: bool) -> dict[str, Any]:
    decisions = list(hold.decisions.all())
    editor = next((each.user for each in reversed(decisions) if each.kind == "edit"), None)
    return {
        "hold": hold,
        "url": HoldQueue(user=request.user).item_url(hold.pk),
        "colour": STATE_COLOURS.get(hold.state, ""),
        "trigger": TRIGGERS.get(hold.trigger, hold.trigger),
        "closed": what_came_of(hold),
        "asked": who_is_asked(hold),
        "decisions": decisions,
        "editor": editor,
        **(_edit(hold) if content and text_of(hold, "edited")[0] is not None else {}),
    }


def _edit(hold: Hold) -> dict[str, Any]:
    """What a person changed in the answer; where that is too long, as much of either as is read."""
    answer, edited = (value_of(hold, name) for name in ANSWERS)
    if answer is None or edited is None:
        found = [(title, stored(hold, name)) for title, name in zip(SIDES, ANSWERS, strict=True)]
        return {"sides": [(title, json) for title, json in found if json is not None]}
    hold.answer, hold.edited, hold.shown = answer, edited, {VERSION: vars(hold)["shown_version"]}
    kept = answers_of(hold)
    return {
        "changes": answer_changes(kept.answer, kept.edited),
        "sides": list(zip(SIDES, (as_json(kept.answer), as_json(kept.edited)), strict=True)),
    }
