"""What was sent and what came back, as pages show it: exact, cut where it is too long, repairs as differences."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Prefetch, QuerySet

from orchestration.admin.base import STATE_COLOURS
from orchestration.admin.content_display import JsonText, as_json, stored
from orchestration.admin.sections import Section
from orchestration.models import AIRequestAudit, AIResponseAudit
from orchestration.models.tool_runs import ToolRun
from orchestration.theme.reach import may_view, seen_in
from orchestration.theme.words import NOTHING, money, seconds
from orchestration.values.content_parts import in_words
from orchestration.values.generic_refs import admin_path
from orchestration.values.sanitize import legible
from orchestration.values.truncated_json import cut, value_of

REQUEST_CONTENT = ("messages", "tools", "response_schema")
ANSWER_CONTENT = ("raw", "outputs", "structured_data")
RUN_CONTENT = ("arguments", "result")
ANSWER = "response_audit"
MAX_DIFF_LINES = 2000
"""Of either side; longer answers are shown beside each other alone."""


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a difference; `kind`: added, removed, same or gap."""

    kind: str
    text: str


def attempts_of(rows: QuerySet[AIRequestAudit]) -> QuerySet[AIRequestAudit]:
    """Requests with their answers and tools, for `attempts_section`: two queries, content cut by the database."""
    runs = cut(ToolRun.objects.order_by("position"), RUN_CONTENT).defer(*RUN_CONTENT)
    rows = cut(rows.select_related(ANSWER).prefetch_related(Prefetch("tool_runs", runs)), REQUEST_CONTENT)
    return cut(rows, ANSWER_CONTENT, via=ANSWER).defer(
        *(f"{ANSWER}__{name}" for name in (*ANSWER_CONTENT, "tool_calls")), *REQUEST_CONTENT
    )


def attempts_section(audits: Iterable[AIRequestAudit], *, content: bool, compare_url: str = "") -> Section:
    """Every request with its answer; audits as `attempts_of` reads them, oldest first. `compare_url`: the page that
    lays two of them beside each other."""
    listed = list(audits)
    by_pk: dict[int | None, AIRequestAudit] = {audit.pk: audit for audit in listed}
    shown = [audit_context(audit, content=content, repaired=by_pk.get(audit.repair_of_id)) for audit in listed]
    return Section(
        title="Attempts",
        count=len(shown),
        template="admin/orchestration/parts/attempts.html",
        context={
            "attempts": shown,
            "content": content,
            "compare_url": compare_url,
            "choices": [(str(audit.pk), label(audit)) for audit in listed],
        },
    )


def label(audit: AIRequestAudit) -> str:
    """`Attempt 2`, `Repair of attempt 2`, `Attempt 2, turn 3`."""
    if audit.repair_of_id is not None:
        return f"Repair of attempt {audit.attempt}"
    return f"Attempt {audit.attempt}, turn {audit.repair + 1}" if audit.repair else f"Attempt {audit.attempt}"


def audit_context(audit: AIRequestAudit, *, content: bool, repaired: AIRequestAudit | None = None) -> dict[str, Any]:
    """A request and its answer, as parts/attempt.html shows it; `repaired`: the request whose answer it mends."""
    answer = audit.answer
    shown: dict[str, Any] = {
        "audit": audit,
        "label": label(audit),
        "answer": answer,
        "colour": STATE_COLOURS.get(audit.outcome, ""),
        "tokens": tokens(answer) if answer else NOTHING,
        "cost": money(answer.cost) if answer else NOTHING,
        "content": content,
        "parameters": as_json(audit.parameters),
        "runs": [_run(run, content=content) for run in audit.tool_runs.all()],
    }
    if content:
        shown |= {name: stored(audit, name, url=_request_download(audit, name)) for name in REQUEST_CONTENT}
        shown["messages"] = _messages(audit)
        shown |= {name: _answer_part(audit, name) for name in ANSWER_CONTENT}
        shown["difference"] = list(_repair(repaired, audit)) if repaired else []
    return shown


def _run(run: ToolRun, *, content: bool) -> dict[str, Any]:
    """A tool that the answer asked for, and what came of it."""
    shown: dict[str, Any] = {
        "run": run,
        "colour": STATE_COLOURS.get(run.status, ""),
        "seconds": seconds(timedelta(seconds=run.seconds)) if run.seconds is not None else "",
    }
    if content:
        shown |= {name: stored(run, name) for name in RUN_CONTENT}
    return shown


def _messages(audit: AIRequestAudit) -> list[dict[str, Any]]:
    """The messages as sent; one cut text when they are too long for a page."""
    whole = value_of(audit, "messages")
    if isinstance(whole, list) and all(isinstance(message, dict) for message in whole):
        return [{**message, "content": legible(in_words(message.get("content")))} for message in whole]
    text = stored(audit, "messages", url=_request_download(audit, "messages"))
    return [{"role": "all messages", "content": text.text, "cut": text}] if text else []


def _answer_part(audit: AIRequestAudit, name: str) -> JsonText | None:
    answer = audit.answer
    return stored(audit, name, via=ANSWER, url=_answer_download(audit, answer.pk, name)) if answer else None


def _request_download(audit: AIRequestAudit, column: str) -> str:
    """Empty for those who may not open the request."""
    is_open = may_view(seen_in(audit), AIRequestAudit)
    return admin_path("orchestration_airequestaudit_content", audit.pk, column) if is_open else ""


def _answer_download(audit: AIRequestAudit, pk: int, column: str) -> str:
    """Empty for those who may not open the answer."""
    is_open = may_view(seen_in(audit), AIResponseAudit)
    return admin_path("orchestration_airesponseaudit_content", pk, column) if is_open else ""


# --- repairs --------------------------------------------------------------------------------


def _repair(repaired: AIRequestAudit, repair: AIRequestAudit) -> Iterator[DiffLine]:
    """From the answer that was refused to the one that mended it; nothing when either is missing or too long."""
    before, after = _answer_text(repaired), _answer_text(repair)
    if before and after and max(before.count("\n"), after.count("\n")) <= MAX_DIFF_LINES:
        yield from difference(before, after)


def difference(before: str, after: str) -> Iterator[DiffLine]:
    """What changed from one text to another, by line, with three lines of context."""
    kinds = {"+": "added", "-": "removed", " ": "same", "@": "gap"}
    for line in list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm=""))[2:]:
        yield DiffLine(kinds[line[0]], line[1:] if line[0] != "@" else "…")


def _answer_text(audit: AIRequestAudit) -> str:
    """An answer's JSON, indented; its text when it was none."""
    data = _answer_part(audit, "structured_data")
    if data is not None:
        return data.text
    outputs = value_of(audit, "outputs", via=ANSWER) if audit.answer else None
    return legible("\n".join(str(item.get("text", "")) for item in outputs or []))


def tokens(row: Any) -> str:
    """Of a call or an answer."""
    usage = row.usage
    if not usage.total_tokens:
        return NOTHING
    cached = f" ({usage.cached_input_tokens:,} cached)" if usage.cached_input_tokens else ""
    return f"{usage.input_tokens:,}{cached} in, {usage.output_tokens:,} out, {usage.total_tokens:,} in all"
