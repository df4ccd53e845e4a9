"""What changed between two proposals, two reviews and two decisions. Pure functions."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.consensus.decision.verdict import quantized, score_of

JsonObject = dict[str, Any]
TEXT_FIELDS = ("title", "summary", "problem_statement", "proposed_solution")
LIST_FIELDS = ("assumptions", "scope_non_goals")


def proposal_diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> JsonObject:
    """`changed`: the fields that differ; `fields`: of texts before, after and lines, of lists added and removed."""
    fields: JsonObject = {}
    for name in TEXT_FIELDS:
        if before.get(name) != after.get(name):
            fields[name] = text_diff(before.get(name, ""), after.get(name, ""))
    for name in LIST_FIELDS:
        if before.get(name) != after.get(name):
            fields[name] = list_diff(before.get(name, []), after.get(name, []))
    return {"changed": list(fields), "fields": fields}


def text_diff(before: str, after: str) -> JsonObject:
    """Both texts, and their lines marked `-`, `+` or blank as `diff` does."""
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if not line.startswith("?")]
    return {"before": before, "after": after, "lines": lines}


def list_diff(before: Sequence[str], after: Sequence[str]) -> JsonObject:
    return {
        "added": [item for item in after if item not in before],
        "removed": [item for item in before if item not in after],
    }


def review_delta(before: JsonObject | None, after: JsonObject | None) -> JsonObject:
    """How one persona's review changed; None means no review. Scores are text, so that they stay exact."""
    old, new = (None if review is None else quantized(score_of(review)) for review in (before, after))
    return {
        "before": _text(old),
        "after": _text(new),
        "delta": None if old is None or new is None else str(new - old),
        "blocking_issues": list_diff(_texts(before, "blocking_issues"), _texts(after, "blocking_issues")),
        "concerns": list_diff(_texts(before, "concerns"), _texts(after, "concerns")),
        "reused": bool(after and after.get("reused")),
    }


def decision_delta(before: JsonObject | None, after: JsonObject | None) -> JsonObject:
    """`before` and `after` are decisions as stored; None where a run has none."""
    old, new = (None if decision is None else decision["overall_weighted_confidence"] for decision in (before, after))
    return {
        "before": _short(before),
        "after": _short(after),
        "delta": None if old is None or new is None else str(Decimal(new) - Decimal(old)),
        "changed": _short(before) != _short(after),
    }


def _short(decision: JsonObject | None) -> JsonObject | None:
    names = ("decision", "overall_weighted_confidence", "veto_applied")
    return None if decision is None else {name: decision[name] for name in names}


def _texts(review: JsonObject | None, name: str) -> list[str]:
    return [] if review is None else [item["text"] for item in review[name]]


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
