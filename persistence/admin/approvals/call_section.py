"""On a call's page: what waited for a person, who decided, and what they changed in the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest

from orchestration.admin.base import may_read_content
from orchestration.admin.content_display import as_json
from orchestration.admin.sections import Section, Tab, add_call_sections
from orchestration.models import ServiceCallRecord
from persistence.admin.approvals.answer_changes import answer_changes
from persistence.admin.approvals.item import STATE_COLOURS, TRIGGERS, what_came_of, who_is_asked
from persistence.admin.approvals.queue import HoldQueue
from persistence.approval.rights import VIEW
from persistence.approval.showing import answers_of
from persistence.models.approval import Hold, holds_of


@add_call_sections
def approvals_of_call(request: HttpRequest, call: ServiceCallRecord) -> Iterator[Section]:
    """Above the tabs while something waits, among the rows once it is decided."""
    if not request.user.has_perm(VIEW):
        return
    holds = list(holds_of([call.pk]).select_related("assignee", "group"))
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
    kept = answers_of(hold)
    is_edited = content and kept.edited is not None
    return {
        "hold": hold,
        "url": HoldQueue(user=request.user).item_url(hold.pk),
        "colour": STATE_COLOURS.get(hold.state, ""),
        "trigger": TRIGGERS.get(hold.trigger, hold.trigger),
        "closed": what_came_of(hold),
        "asked": who_is_asked(hold),
        "decisions": decisions,
        "editor": editor,
        "changes": answer_changes(kept.answer, kept.edited) if is_edited else [],
        "sides": [("The model's answer", as_json(kept.answer)), ("Edited", as_json(kept.edited))] if is_edited else [],
    }
