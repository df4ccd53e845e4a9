"""Decisions that a person should see: those close to a threshold wait, with the review that would make them."""

from __future__ import annotations

from typing import Any

from apps.consensus.conf import consensus_settings
from apps.consensus.decision.verdict import Review, decide
from apps.consensus.models import Run
from apps.consensus.models.runs import REVIEW
from apps.consensus.orca.schemas import ReviewOutputSchema, content_of
from orchestration.models.states import Status
from orchestration.types import Response


def why_a_person_decides(response: Response) -> str | None:
    """The reason, of the review that completes a run, when the score is within HOLD_WITHIN of a threshold.

    Of reviews that arrived together the last call is the one that completes the run: the others are stored meanwhile.
    """
    within = consensus_settings().HOLD_WITHIN
    run = Run.objects.filter(pk=response.context["run_id"]).select_related("prompt_set").first()
    if not within or run is None or not run.is_open:
        return None
    stored = {review.persona_id: review.as_review() for review in run.reviews.all()}
    coming = _coming(run, response)
    if response.call_id != max((call_id for call_id, _ in coming.values()), default=response.call_id):
        return None
    reviews = {**{persona: review for persona, (_, review) in coming.items()}, **stored}
    if len(reviews) < run.prompt_set.personas.count():
        return None
    rules = run.prompt_set.rules()
    verdict = decide(list(reviews.values()), rules)
    score = verdict.overall_weighted_confidence
    if min(abs(score - rules.approve), abs(score - rules.revise)) > within:
        return None
    return f"It would decide {verdict.decision} at {score}, within {within} of a threshold."


def _coming(run: Run, response: Response) -> dict[str, tuple[str, Review]]:
    """By persona the reviews that are answered and not stored yet, this one among them, each with its call."""
    names = dict(run.prompt_set.personas.values_list("persona_id", "name"))
    done = set(run.reviews.values_list("persona_id", flat=True))
    answered: dict[str, Response] = {response.context["persona_id"]: response}
    steps: Any = run.steps.filter(step__startswith=REVIEW, call__status=Status.SUCCEEDED).select_related("call")
    for step in steps:
        if step.call.result is not None and step.call_id != response.call_id:
            answered.setdefault(step.step.removeprefix(REVIEW), step.call.stored_response())
    return {
        persona: (
            each.call_id or "",
            {**content_of(ReviewOutputSchema, each), "persona_id": persona, "persona_name": names.get(persona, "")},
        )
        for persona, each in answered.items()
        if persona not in done
    }
