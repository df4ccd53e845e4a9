"""Two attempts of a call beside each other: their figures, and what changed in what was sent and answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.urls import reverse

from orchestration.admin.attempt_display import DiffLine, attempts_of, audit_context, difference, label, tokens
from orchestration.admin.call_actions import call_url
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.theme.words import NOTHING, money

COMPARISON = "orchestration_servicecallrecord_attempts"
MAX_DIFF_LINES = 4000
"""Of either side."""

Shown = dict[str, Any]


def comparison_url(call_id: str) -> str:
    return reverse(f"admin:{COMPARISON}", args=(call_id,))


def comparison(call: ServiceCallRecord, asked: Mapping[str, str], *, content: bool) -> dict[str, Any]:
    """The context of the page. `asked`: the keys of the requests as `left` and `right`; without them, or with some
    that the call does not have, the first and the last."""
    audits = list(attempts_of(call.request_audits.order_by("attempt", "repair", "id")))
    by_key = {str(audit.pk): audit for audit in audits}
    choices = [(key, label(each)) for key, each in by_key.items()]
    shared: dict[str, Any] = {"call_url": call_url(call.pk), "call": call, "choices": choices}
    if len(audits) < 2:
        return shared
    left = by_key.get(asked.get("left", ""), audits[0])
    right = by_key.get(asked.get("right", ""), audits[-1])
    sides = [audit_context(audit, content=content) for audit in (left, right)]
    return shared | {
        "left": str(left.pk),
        "right": str(right.pk),
        "labels": [label(left), label(right)],
        "figures": [(name, read(left), read(right)) for name, read in FIGURES],
        "differences": list(_differences(*sides)) if content else [],
        "content": content,
    }


def _answered(read: Callable[[Any], Any]) -> Callable[[AIRequestAudit], Any]:
    return lambda audit: NOTHING if audit.answer is None else read(audit.answer) or NOTHING


FIGURES: tuple[tuple[str, Callable[[AIRequestAudit], Any]], ...] = (
    ("Outcome", lambda audit: audit.outcome),
    ("Model", lambda audit: f"{audit.provider} {audit.model}"),
    ("Error code", _answered(lambda answer: answer.error_code)),
    ("HTTP status", _answered(lambda answer: answer.http_status)),
    ("Finish reason", _answered(lambda answer: answer.finish_reason)),
    ("Latency", _answered(lambda answer: f"{answer.latency_ms:,} ms")),
    ("Tokens", _answered(tokens)),
    ("Cost", _answered(lambda answer: money(answer.cost))),
)

PARTS: tuple[tuple[str, Callable[[Shown], str]], ...] = (
    ("Messages", lambda shown: "\n".join(f"{each['role']}:\n{each['content']}" for each in shown["messages"])),
    ("Parameters", lambda shown: str(shown["parameters"].text)),
    ("Response schema", lambda shown: shown["response_schema"].text if shown["response_schema"] else ""),
    ("Error", lambda shown: shown["answer"].error if shown["answer"] else ""),
    ("Structured data", lambda shown: shown["structured_data"].text if shown["structured_data"] else ""),
    ("Raw answer", lambda shown: shown["raw"].text if shown["raw"] else ""),
)


def _differences(left: Shown, right: Shown) -> Iterator[tuple[str, list[DiffLine], str]]:
    """(part, its lines that differ, why there are none)."""
    for title, read in PARTS:
        before, after = read(left), read(right)
        if before == after:
            yield title, [], "Both are empty." if not before else "The same."
        elif max(before.count("\n"), after.count("\n")) > MAX_DIFF_LINES:
            yield title, [], "Too long to be compared on a page: download both."
        else:
            yield title, list(difference(before, after)), ""
