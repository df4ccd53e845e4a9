"""Decides on five reviews. Pure and exact: a float sum just under 0.80 is not 0.80.

Scores are weighted as they were written, and only their sum is rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from math import floor
from typing import Any

from apps.consensus.decision.personas import VETO_PERSONA, WEIGHTS

PLACES = 4
NO_MITIGATION = "No mitigation was recommended; clarify this with the reviewer before going ahead."

Review = Mapping[str, Any]
"""A stored review: persona_id, persona_name, confidence_score, strengths, concerns [{text, is_blocking}],
recommendations, blocking_issues [{text, security_critical}]."""


class Label(StrEnum):
    """The decision on a proposal."""

    APPROVE = "approve"
    REVISE = "revise"
    REJECT = "reject"


class DecisionError(ValueError):
    """These reviews allow no decision; the message says which persona and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Weights by persona, in persona order, and the thresholds; ValueError when they are inconsistent.

    `rerun` is for revisions: personas that scored below it review again.
    """

    weights: Mapping[str, Decimal] = field(default_factory=lambda: dict(WEIGHTS))
    approve: Decimal = Decimal("0.80")
    revise: Decimal = Decimal("0.60")
    rerun: Decimal = Decimal("0.70")
    veto_persona: str = VETO_PERSONA

    def __post_init__(self) -> None:
        faults = rule_faults(self.weights.values(), self.approve, self.revise, self.rerun)
        if faults:
            raise ValueError(" ".join(faults))

    def label(self, confidence: Decimal) -> Label:
        """The decision for a quantized confidence, before any veto."""
        if confidence >= self.approve:
            return Label.APPROVE
        return Label.REVISE if confidence >= self.revise else Label.REJECT


def rule_faults(weights: Iterable[Decimal], approve: Decimal, revise: Decimal, rerun: Decimal) -> list[str]:
    """What is wrong with weights and thresholds, one sentence each."""
    given = list(weights)
    faults = []
    if any(not 0 < weight <= 1 for weight in given):
        faults.append("Every weight must be above 0 and at most 1.")
    total = sum(given, Decimal(0))
    if total != 1:
        faults.append(f"The weights must total 1, they total {total}.")
    if not 0 < revise < approve <= 1:
        faults.append(f"The thresholds must be 0 < revise ({revise}) < approve ({approve}) <= 1.")
    if not 0 <= rerun <= 1:
        faults.append(f"The re-run threshold must be between 0 and 1, it is {rerun}.")
    return faults


@dataclass(frozen=True, slots=True, kw_only=True)
class MinorityReport:
    """A reviewer whose view the decision did not follow, or who raised a blocking issue."""

    persona_id: str
    persona_name: str
    confidence_score: Decimal
    blocking_summary: str
    mitigation_recommendation: str
    strengths: tuple[str, ...]
    concerns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBreakdown:
    """How the confidence was calculated: each persona's weight, score and their product, and the formula."""

    weights: dict[str, Decimal]
    scores: dict[str, Decimal]
    contributions: dict[str, Decimal]
    formula: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision. `overall_weighted_confidence` has 4 places and is the number that was compared."""

    overall_weighted_confidence: Decimal
    decision: Label
    veto_applied: bool
    minority_reports: tuple[MinorityReport, ...]
    score_breakdown: ScoreBreakdown


def decide(reviews: Sequence[Review], rules: Rules | None = None) -> Verdict:
    """Decide on one review of every persona, in any order.

    Raises DecisionError when a persona is missing, unknown or there twice, or when a score is not a number from 0 to 1.
    """
    rules = rules or Rules()
    by_persona = _by_persona(reviews, rules)
    scores = {persona: score_of(review) for persona, review in by_persona.items()}
    contributions = {persona: rules.weights[persona] * score for persona, score in scores.items()}
    confidence = quantized(sum(Fraction(rules.weights[persona]) * Fraction(score) for persona, score in scores.items()))
    label = rules.label(confidence)
    veto = label is Label.APPROVE and vetoes(by_persona.get(rules.veto_persona))
    if veto:
        label = Label.REVISE
    return Verdict(
        overall_weighted_confidence=confidence,
        decision=label,
        veto_applied=veto,
        minority_reports=_minority(by_persona, label, rules),
        score_breakdown=ScoreBreakdown(
            weights=dict(rules.weights),
            scores=scores,
            contributions=contributions,
            formula=_formula(rules.weights, scores, confidence),
        ),
    )


def must_review_again(review: Review, rules: Rules | None = None, *, security_concerns: bool | None = None) -> bool:
    """Whether a revision asks this persona again: a low score, a blocking issue, or a security concern of the guardian.

    `security_concerns` is the stored flag; by default it is read from the review.
    """
    rules = rules or Rules()
    if score_of(review) < rules.rerun or review["blocking_issues"]:
        return True
    if review["persona_id"] != rules.veto_persona:
        return False
    return has_security_concerns(review) if security_concerns is None else security_concerns


def has_security_concerns(review: Review) -> bool:
    """For the guardian any concern or blocking issue; for the others a blocking issue that they flag as critical."""
    flagged = any(issue.get("security_critical") for issue in review["blocking_issues"])
    return flagged or (review["persona_id"] == VETO_PERSONA and bool(review["concerns"]))


def quantized(value: Decimal | Fraction | int) -> Decimal:
    """To 4 places, half up, from 0 on: as confidences are stored and compared, and scores are shown."""
    return Decimal(floor(Fraction(value) * 10**PLACES + Fraction(1, 2))).scaleb(-PLACES)


def score_of(review: Review) -> Decimal:
    """A review's confidence score, exactly as written; DecisionError when it is not a number from 0 to 1."""
    raw = review["confidence_score"]
    try:
        score = Decimal(str(raw))
    except InvalidOperation:
        score = Decimal("NaN")
    if isinstance(raw, bool) or not score.is_finite() or not 0 <= score <= 1:
        raise DecisionError(f"The confidence score of {review['persona_id']} is {raw!r}, not a number from 0 to 1.")
    return score


def vetoes(review: Review | None) -> bool:
    """Whether this review, the guardian's, has a blocking issue that is security-critical."""
    return review is not None and any(issue.get("security_critical") is True for issue in review["blocking_issues"])


def _by_persona(reviews: Sequence[Review], rules: Rules) -> dict[str, Review]:
    """Every persona's review, in persona order."""
    given = [review["persona_id"] for review in reviews]
    unknown = sorted(set(given) - set(rules.weights))
    missing = [persona for persona in rules.weights if persona not in given]
    doubled = sorted({persona for persona in given if given.count(persona) > 1})
    for wrong, what in ((unknown, "unknown"), (missing, "missing"), (doubled, "repeated")):
        if wrong:
            raise DecisionError(f"Each persona reviews exactly once; {what}: {', '.join(wrong)}.")
    found = {review["persona_id"]: review for review in reviews}
    return {persona: found[persona] for persona in rules.weights}


def _minority(reviews: Mapping[str, Review], label: Label, rules: Rules) -> tuple[MinorityReport, ...]:
    return tuple(_report(review, rules) for review in reviews.values() if _dissents(review, label, rules))


def _dissents(review: Review, label: Label, rules: Rules) -> bool:
    if label is Label.REJECT:
        return False
    low = label is Label.APPROVE and score_of(review) < rules.revise
    return low or bool(review["blocking_issues"])


def _report(review: Review, rules: Rules) -> MinorityReport:
    score = score_of(review)
    issues = "; ".join(issue["text"] for issue in review["blocking_issues"])
    return MinorityReport(
        persona_id=review["persona_id"],
        persona_name=review["persona_name"],
        confidence_score=score,
        blocking_summary=issues or f"Confidence is low: {score} where {rules.revise} is needed.",
        mitigation_recommendation="; ".join(review["recommendations"]) or NO_MITIGATION,
        strengths=tuple(review["strengths"]),
        concerns=tuple(concern["text"] for concern in review["concerns"]),
    )


def _formula(weights: Mapping[str, Decimal], scores: Mapping[str, Decimal], confidence: Decimal) -> str:
    terms = " + ".join(f"{weights[persona]} * {scores[persona]}" for persona in weights)
    return f"sum(weight * confidence) = {terms} = {confidence} (4 places, half up)"
