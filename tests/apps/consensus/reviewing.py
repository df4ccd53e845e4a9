"""Runs, and what their five reviewers say: each persona's answer is scripted by its name in the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.accounts.models import User
from apps.consensus.decision.personas import PERSONA_IDS
from apps.consensus.models import Run
from apps.consensus.models.runs import AGGREGATE
from apps.consensus.workflow.start import start_run
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.request_log import Entry

IDEA = "A shared calendar for choirs. It plans rehearsals and tells everybody."
PROPOSAL = {
    "problem_statement": "Choirs plan by e-mail.",
    "proposed_solution": "A shared calendar.",
    "assumptions": ["Everybody has a phone."],
    "scope_non_goals": ["No payments."],
    "title": "Choir calendar",
    "summary": "One calendar for all rehearsals.",
}
EXPAND_MARKER = "You turn a short idea into a proposal"


def marker(persona_id: str) -> str:
    """What only this persona's prompt holds."""
    return f"({persona_id})."


def review_answer(score: float = 0.9, **fields: Any) -> dict[str, Any]:
    return {
        "confidence_score": score,
        "strengths": ["It is small."],
        "concerns": [],
        "recommendations": ["Start with one choir."],
        "blocking_issues": [],
        "estimated_effort": {"size": "S", "weeks_min": 1, "weeks_max": 3, "note": "One person can do it."},
        "dependency_risks": [{"text": "A push service.", "severity": "low"}],
        **fields,
    }


def says(persona_id: str, score: float = 0.9, *, times: int = 1, **fields: Any) -> Fault:
    return Fault(kind="json", data=review_answer(score, **fields), contains=marker(persona_id), times=times)


def expands(*, times: int = 1, **fields: Any) -> Fault:
    return Fault(kind="json", data={**PROPOSAL, **fields}, contains=EXPAND_MARKER, times=times)


def blocking(text: str = "Anybody can read it.", critical: bool | None = None) -> list[dict[str, Any]]:
    return [{"text": text, "security_critical": critical}]


def script(**by_persona: Fault) -> list[Fault]:
    """An expanded proposal and five reviews of 0.9, but what is given by persona."""
    return [expands(), *(by_persona.get(persona, says(persona)) for persona in PERSONA_IDS)]


def new_run(user: User, **fields: Any) -> Run:
    run, _ = start_run(user, **{"idea": IDEA, **fields})
    return run


def steps_of(run: Run) -> dict[str, str]:
    return dict(run.steps.order_by("position").values_list("step", "status"))


def assert_two_answers_of_waiting(run: Run, seen: Sequence[Entry]) -> None:
    """By the provider's log a run waited for its model twice: for the proposal, then for five reviews at once.

    `benchmarks/full_review.py` measures how long that takes.
    """
    proposal, *reviews = seen
    ends = [review.ended or 0.0 for review in reviews]
    assert len(reviews) == len(PERSONA_IDS), "nobody was asked twice"
    assert proposal.ended is not None
    assert proposal.ended <= min(review.time for review in reviews)
    assert max(review.time for review in reviews) < min(ends), "each was asked before any had answered"
    run.refresh_from_db()
    assert run.status == "completed", run.error_context
    decided_at = run.steps.get(step=AGGREGATE).started_at
    assert decided_at is not None
    assert decided_at.timestamp() >= max(ends)
