"""The decision: the specification's table, and what holds for every set of reviews."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.consensus.decision import DecisionError, Label, Rules, decide, must_review_again
from apps.consensus.decision.personas import PERSONA_IDS, WEIGHTS
from apps.consensus.prompt_sets.defaults import PERSONAS

RANK = {Label.REJECT: 0, Label.REVISE: 1, Label.APPROVE: 2}
NAMES = {persona.persona_id: persona.name for persona in PERSONAS}


def review(persona_id: str, score: Any, *issues: bool | None, **fields: Any) -> dict[str, Any]:
    """A stored review; `issues` are the flags of its blocking issues."""
    return {
        "persona_id": persona_id,
        "persona_name": NAMES.get(persona_id, persona_id),
        "confidence_score": score,
        "strengths": ["It is small."],
        "concerns": [],
        "recommendations": [],
        "blocking_issues": [
            {"text": f"issue {number}", "security_critical": flag} for number, flag in enumerate(issues, 1)
        ],
        **fields,
    }


def five(*scores: Any, **issues: tuple[bool | None, ...]) -> list[dict[str, Any]]:
    return [
        review(persona, score, *issues.get(persona, ())) for persona, score in zip(PERSONA_IDS, scores, strict=True)
    ]


TABLE = [
    ((0.90, 0.85, 0.95, 0.88, 0.92), {}, "0.8940", "approve", []),
    ((0.80,) * 5, {}, "0.8000", "approve", []),
    ((0.80, 0.80, 0.80, 0.80, 0.78), {}, "0.7970", "revise", []),
    ((0.60,) * 5, {}, "0.6000", "revise", []),
    ((0.60, 0.60, 0.60, 0.60, 0.59), {}, "0.5985", "reject", []),
    (
        (0.95, 0.95, 0.95, 0.90, 0.95),
        {"security_guardian": (True,)},
        "0.9400",
        "revise",
        ["security_guardian"],
    ),
    ((0.95, 0.95, 0.95, 0.90, 0.95), {"security_guardian": (None,)}, "0.9400", "approve", ["security_guardian"]),
    ((0.95, 0.55, 0.95, 0.90, 0.95), {}, "0.8400", "approve", ["critic"]),
    ((1, 0.5, 1, 1, 0.8), {"user_advocate": (None, None)}, "0.8450", "approve", ["critic", "user_advocate"]),
    ((0.2, 1, 1, 1, 1), {}, "0.8000", "approve", ["architect"]),
]


@pytest.mark.parametrize(("scores", "issues", "confidence", "label", "minority"), TABLE)
def test_the_table_of_the_specification(
    scores: tuple[float, ...], issues: dict[str, Any], confidence: str, label: str, minority: list[str]
) -> None:
    verdict = decide(five(*scores, **issues))
    assert str(verdict.overall_weighted_confidence) == confidence
    assert verdict.decision == label
    assert [report.persona_id for report in verdict.minority_reports] == minority
    assert verdict.veto_applied is (issues.get("security_guardian") == (True,))


def test_a_score_of_any_length_is_weighted_exactly() -> None:
    """A sum that is below a half by less than 28 digits can tell is rounded down."""
    almost = Decimal("0.79994" + "9" * 60)
    weights = dict(zip(PERSONA_IDS, map(Decimal, ("0.25", "0.25", "0.15", "0.2", "0.15")), strict=True))
    verdict = decide(five(almost, *["0.79995"] * 4), Rules(weights=weights))
    assert (str(verdict.overall_weighted_confidence), verdict.decision) == ("0.7999", Label.REVISE)


# --- properties -----------------------------------------------------------------------------

score = st.integers(0, 10_000).map(lambda n: Decimal(n) / 10_000)
scores = st.tuples(score, score, score, score, score)
flags = st.lists(st.sampled_from([True, False, None]), max_size=2).map(tuple)
issues = st.fixed_dictionaries(dict.fromkeys(PERSONA_IDS, flags))


@given(scores, issues, st.sampled_from(range(5)), score)
def test_a_higher_score_never_lowers_the_decision(
    given_scores: tuple[Decimal, ...], given_issues: dict[str, Any], place: int, other: Decimal
) -> None:
    low, high = list(given_scores), list(given_scores)
    low[place], high[place] = sorted((given_scores[place], other))
    before, after = decide(five(*low, **given_issues)), decide(five(*high, **given_issues))
    assert before.overall_weighted_confidence <= after.overall_weighted_confidence
    assert RANK[before.decision] <= RANK[after.decision]


@given(scores, issues)
def test_a_veto_never_raises_and_only_turns_approve_into_revise(
    given_scores: tuple[Decimal, ...], given_issues: dict[str, Any]
) -> None:
    without = decide(five(*given_scores))
    vetoed = decide(five(*given_scores, **(given_issues | {"security_guardian": (True,)})))
    assert vetoed.overall_weighted_confidence == without.overall_weighted_confidence
    assert vetoed.veto_applied is (without.decision is Label.APPROVE)
    assert vetoed.decision is (Label.REVISE if vetoed.veto_applied else without.decision)


@given(scores, issues)
def test_nobody_elses_flag_vetoes(given_scores: tuple[Decimal, ...], given_issues: dict[str, Any]) -> None:
    verdict = decide(five(*given_scores, **(given_issues | {"security_guardian": (False, None)})))
    assert verdict.veto_applied is False
    assert verdict.decision is decide(five(*given_scores)).decision


@given(scores, issues, st.randoms())
def test_the_order_of_reviews_does_not_matter(
    given_scores: tuple[Decimal, ...], given_issues: dict[str, Any], rng: random.Random
) -> None:
    reviews = five(*given_scores, **given_issues)
    shuffled = list(reviews)
    rng.shuffle(shuffled)
    assert decide(shuffled) == decide(reviews)


@given(st.tuples(*[st.decimals(0, 1, places=6) for _ in PERSONA_IDS]))
def test_the_compared_number_is_the_quantized_exact_sum(given_scores: tuple[Decimal, ...]) -> None:
    terms = [WEIGHTS[persona] * value for persona, value in zip(PERSONA_IDS, given_scores, strict=True)]
    exact = sum(terms, Decimal(0))
    verdict = decide(five(*given_scores))
    stored = verdict.overall_weighted_confidence
    assert stored == exact.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)
    expected = "approve" if stored >= Decimal("0.8") else "revise" if stored >= Decimal("0.6") else "reject"
    assert verdict.decision == expected


@pytest.mark.parametrize(
    ("every_score", "stored", "label"),
    [
        ("0.79995", "0.8000", "approve"),
        ("0.799949", "0.7999", "revise"),
        ("0.59995", "0.6000", "revise"),
        ("0.599949", "0.5999", "reject"),
    ],
)
def test_scores_are_rounded_half_up_before_the_threshold(every_score: str, stored: str, label: str) -> None:
    verdict = decide(five(*[Decimal(every_score)] * 5))
    assert (str(verdict.overall_weighted_confidence), verdict.decision) == (stored, label)


@given(scores, issues)
def test_minority_reports_follow_their_rule_in_persona_order(
    given_scores: tuple[Decimal, ...], given_issues: dict[str, Any]
) -> None:
    verdict = decide(five(*given_scores, **given_issues))
    low = [value < Decimal("0.6") and verdict.decision is Label.APPROVE for value in given_scores]
    blocking = [bool(given_issues[persona]) for persona in PERSONA_IDS]
    expected = [persona for persona, a, b in zip(PERSONA_IDS, low, blocking, strict=True) if a or b]
    assert [report.persona_id for report in verdict.minority_reports] == (
        [] if verdict.decision is Label.REJECT else expected
    )


# --- what a decision says, and what it refuses ----------------------------------------------


def test_the_decision_keeps_weights_scores_and_the_formula() -> None:
    breakdown = decide(five(0.2, 1, 1, 1, 1)).score_breakdown
    assert breakdown.weights == WEIGHTS
    assert breakdown.scores["architect"] == Decimal("0.2")
    assert breakdown.contributions["architect"] == Decimal("0.050")
    assert "0.25 * 0.2 + 0.25 * 1 + 0.15 * 1 + 0.20 * 1 + 0.15 * 1 = 0.8000" in breakdown.formula


def test_a_minority_report_joins_issues_and_recommendations() -> None:
    reviews = five(1, 1, 1, 1, 1, critic=(None, False))
    reviews[1] |= {
        "recommendations": ["Measure first.", "Ask legal."],
        "concerns": [{"text": "Vague.", "is_blocking": False}],
    }
    (report,) = decide(reviews).minority_reports
    assert report.blocking_summary == "issue 1; issue 2"
    assert report.mitigation_recommendation == "Measure first.; Ask legal."
    assert (report.strengths, report.concerns) == (("It is small.",), ("Vague.",))


def test_a_report_without_issues_names_the_low_confidence() -> None:
    """Its mitigation is a fixed text."""
    (report,) = decide(five(0.95, 0.55, 0.95, 0.90, 0.95)).minority_reports
    assert "0.55" in report.blocking_summary
    assert report.mitigation_recommendation.startswith("No mitigation was recommended")


@pytest.mark.parametrize("wrong", [1.2, -0.1, float("nan"), float("inf"), "high", None, True])
def test_a_score_that_is_not_a_number_from_0_to_1_is_refused(wrong: object) -> None:
    with pytest.raises(DecisionError, match="critic"):
        decide(five(1, wrong, 1, 1, 1))


def test_missing_unknown_and_repeated_personas_are_named() -> None:
    reviews = five(1, 1, 1, 1, 1)
    with pytest.raises(DecisionError, match="missing: user_advocate"):
        decide(reviews[:4])
    with pytest.raises(DecisionError, match="unknown: oracle"):
        decide([*reviews, review("oracle", 1)])
    with pytest.raises(DecisionError, match="repeated: critic"):
        decide([*reviews, review("critic", 0)])


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ({"weights": {"a": Decimal("0.5"), "b": Decimal("0.49")}}, "total 0.99"),
        ({"weights": {"a": Decimal("1.5"), "b": Decimal("-0.5")}}, "above 0"),
        ({"revise": Decimal("0.8")}, "thresholds"),
        ({"rerun": Decimal("1.1")}, "re-run"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Rules(**rules)


@pytest.mark.parametrize(
    ("given_review", "again"),
    [
        (review("critic", 0.6999), True),
        (review("critic", 0.70), False),
        (review("critic", 0.95, None), True),
        (review("critic", 0.95, concerns=[{"text": "Slow.", "is_blocking": False}]), False),
        (review("security_guardian", 0.95), False),
        (review("security_guardian", 0.95, concerns=[{"text": "Keys.", "is_blocking": False}]), True),
    ],
)
def test_the_re_run_rule(given_review: dict[str, Any], again: bool) -> None:
    assert must_review_again(given_review) is again
