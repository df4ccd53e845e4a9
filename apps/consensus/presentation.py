"""Runs in words, for people: names of steps and reviewers, and what changed from one run to another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from apps.consensus.decision.verdict import Label, Rules
from apps.consensus.models import Run
from apps.consensus.models.runs import AGGREGATE, EXPAND, REVIEW, RunQuerySet
from apps.consensus.selectors import comparison

JsonObject = dict[str, Any]
STEP_LABELS = {EXPAND: "Expand the idea", AGGREGATE: "Decide"}
FIELD_LABELS = {
    "title": "Title",
    "summary": "Summary",
    "problem_statement": "Problem",
    "proposed_solution": "Solution",
    "assumptions": "Assumptions",
    "scope_non_goals": "Out of scope",
}
LONGEST_CHAIN = 30
INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def reviewer_name(name: str) -> str:
    """`SecurityGuardian` as `Security guardian`; names that people gave stay as they are."""
    return INNER_CAPITAL.sub(" ", name).capitalize() if INNER_CAPITAL.search(name) else name


def label_of(step: str, names: Mapping[str, str]) -> str:
    """A step's name, by the personas' names."""
    if step.startswith(REVIEW):
        persona = step.removeprefix(REVIEW)
        return f"Review: {reviewer_name(names.get(persona, persona))}"
    return STEP_LABELS.get(step, step)


def diff_shown(before: Run, after: Run) -> JsonObject:
    """What changed, with what is better and what is worse: higher scores and resolved issues are better."""
    found = comparison(before, after)
    fields = {FIELD_LABELS.get(name, name): field for name, field in found["proposal"]["fields"].items()}
    reviewers = [
        {
            **persona,
            "name": reviewer_name(persona["persona_name"]),
            "trend": trend(persona["delta"]),
            "resolved": persona["blocking_issues"]["removed"],
            "raised": persona["blocking_issues"]["added"],
        }
        for persona in found["personas"]
    ]
    decision = {**found["decision"], "trend": trend(found["decision"]["delta"])}
    return {"decision": decision, "fields": {name: field for name, field in fields.items() if _differs(field)},
            "reviewers": reviewers}  # fmt: skip


def trend(delta: str | None) -> str:
    """`better`, `worse` or `same` for a change of a score; empty when there is nothing to compare."""
    if delta is None:
        return ""
    change = Decimal(delta)
    return "same" if change == 0 else "better" if change > 0 else "worse"


def _differs(field: JsonObject) -> bool:
    """Whether there is something to show: a list in another order has nothing added or removed."""
    return bool(field.get("lines") or field.get("added") or field.get("removed"))


def reason(decision: JsonObject, reviews: list[JsonObject], rules: Rules) -> str:
    """Why a run was decided as it was, in one sentence."""
    score = Decimal(decision["overall_weighted_confidence"])
    if decision["veto_applied"]:
        issue = next(
            (issue["text"] for review in reviews for issue in review["blocking_issues"] if issue["security_critical"]),
            "",
        )
        return f"The score of {score:.2f} would approve it, but the security guardian vetoed it: {issue}".strip()
    blocking = sum(bool(review["blocking_issues"]) for review in reviews)
    objections = f", with blocking issues from {blocking} of {len(reviews)} reviewers" if blocking else ""
    compared = {
        Label.APPROVE: f"reaches the {rules.approve:.2f} that approval needs",
        Label.REVISE: f"is below the {rules.approve:.2f} that approval needs",
        Label.REJECT: f"is below the {rules.revise:.2f} from which a revision is worth it",
    }
    return f"The reviewers' weighted confidence of {score:.2f} {compared[Label(decision['decision'])]}{objections}."


def score_bar(decision: JsonObject, reviews: list[JsonObject], rules: Rules) -> JsonObject:
    """The score between 0 and 1 with the thresholds and each reviewer's, in thousandths of the bar's width."""
    return {
        "score": _thousandths(decision["overall_weighted_confidence"]),
        "revise": _thousandths(rules.revise),
        "approve": _thousandths(rules.approve),
        "middle": _thousandths(rules.approve) - _thousandths(rules.revise),
        "rest": 1000 - _thousandths(rules.approve),
        "thresholds": {"revise": rules.revise, "approve": rules.approve},
        "labels": _labels(_thousandths(rules.revise) / 10, _thousandths(rules.approve) / 10, rules),
        "reviewers": [
            {
                "name": review["name"],
                "at": _thousandths(review["confidence_score"]),
                "score": review["confidence_score"],
            }
            for review in reviews
        ],
    }


def _labels(revise: float, approve: float, rules: Rules) -> list[JsonObject]:
    """What stands below the bar: each zone's name at its middle, and the thresholds where they are, in percent."""
    return [
        {"kind": "zone", "text": "Reject", "at": f"{revise / 2:.1f}"},
        {"kind": "threshold", "text": f"{rules.revise:.2f}", "at": f"{revise:.1f}"},
        {"kind": "zone", "text": "Revise", "at": f"{(revise + approve) / 2:.1f}"},
        {"kind": "threshold", "text": f"{rules.approve:.2f}", "at": f"{approve:.1f}"},
        {"kind": "zone", "text": "Approve", "at": f"{(approve + 100) / 2:.1f}"},
    ]


def _thousandths(score: object) -> int:
    return round(Decimal(str(score)) * 1000)


def versions_of(run: Run, readable: RunQuerySet) -> list[Run]:
    """The run among its revisions, oldest first: its ancestors, itself, and what was made of it."""
    chain, parent_id = [run], run.parent_run_id
    while parent_id is not None and len(chain) < LONGEST_CHAIN:
        parent = readable.filter(pk=parent_id).first()
        if parent is None:
            break
        chain.insert(0, parent)
        parent_id = parent.parent_run_id
    return [*chain, *readable.filter(parent_run=run).order_by("created_at")[:LONGEST_CHAIN]]


def took(milliseconds: int | None) -> str:
    """`340 ms`, `1.2 s`, `1 min 5 s`; nothing for None."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def run_took(run: Run) -> str:
    """How long a run took from its first step to its end."""
    if run.started_at is None or run.finished_at is None:
        return ""
    return took(round((run.finished_at - run.started_at).total_seconds() * 1000))
