"""A run as the API, the pages and the console show it."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from apps.accounts.models import User
from apps.accounts.models.roles import Scope
from apps.consensus.decision.comparison import decision_delta, proposal_diff, review_delta
from apps.consensus.models import Decision, PersonaReview, ProposalVersion, Run, StepProgress
from orchestration.access_log import log_content_access
from orchestration.models import ServiceCallRecord
from orchestration.types import Usage

JsonObject = dict[str, Any]


def summary(run: Run) -> JsonObject:
    """What a list shows."""
    return {
        "run_id": run.pk,
        "status": run.status,
        "run_type": run.run_type,
        "parent_run_id": run.parent_run_id,
        "input_idea": run.input_idea,
        "priority": run.priority,
        "model": run.model,
        "temperature": run.temperature,
        "decision_label": run.decision_label,
        "overall_weighted_confidence": run.overall_weighted_confidence,
        "schema_version": run.schema_version,
        "prompt_set_version": run.prompt_set_version,
        "error_code": run.error_code,
        "error_context": run.error_context,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def detail(run: Run) -> JsonObject:
    """Everything that is stored so far."""
    steps = list(run.steps.select_related("call").order_by("position"))
    return {
        **summary(run),
        "extra_context": run.extra_context,
        "edited_proposal": run.edited_proposal,
        "edit_notes": run.edit_notes,
        "parameters": run.parameters_json,
        "proposal": proposal_of(run),
        "reviews": [review_shown(review) for review in ordered_reviews(run)],
        "decision": decision_of(run),
        "steps": [step_shown(step) for step in steps],
        "usage": usage([step.call for step in steps if step.call]),
        "last_event_id": run.last_event,
    }


def ordered_reviews(run: Run) -> list[PersonaReview]:
    """The stored reviews, in persona order."""
    order = list(run.prompt_set.personas.values_list("persona_id", flat=True))
    return sorted(run.reviews.all(), key=lambda review: order.index(review.persona_id))


def proposal_of(run: Run) -> JsonObject | None:
    proposal = ProposalVersion.objects.filter(run=run).first()
    if proposal is None:
        return None
    return {
        "expanded_proposal": proposal.expanded_proposal_json,
        "proposal_diff": proposal.proposal_diff_json,
        "persona_template_version": proposal.persona_template_version,
        "edit_notes": proposal.edit_notes,
        "created_at": proposal.created_at,
    }


def review_shown(review: PersonaReview) -> JsonObject:
    return {
        **review.review_json,
        "persona_id": review.persona_id,
        "persona_name": review.persona_name,
        "blocking_issues_present": review.blocking_issues_present,
        "security_concerns_present": review.security_concerns_present,
        "prompt_parameters": review.prompt_parameters_json,
        "reused": review.reused,
        "created_at": review.created_at,
    }


def decision_of(run: Run) -> JsonObject | None:
    decision = Decision.objects.filter(run=run).first()
    if decision is None:
        return None
    return {**decision.decision_json, "decision_notes": decision.decision_notes, "created_at": decision.created_at}


def step_shown(step: StepProgress) -> JsonObject:
    call = step.call
    took = step.completed_at - step.started_at if step.completed_at and step.started_at else None
    return {
        "step": step.step,
        "status": step.status,
        "attempt_count": step.attempt_count,
        "error_code": step.error_code,
        "error": step.error,
        "started_at": step.started_at,
        "completed_at": step.completed_at,
        "duration_ms": None if took is None else round(took.total_seconds() * 1000),
        "call_id": call.pk if call else None,
        "total_tokens": call.total_tokens if call else 0,
        "cost": call.cost if call else None,
    }


def usage(calls: list[ServiceCallRecord]) -> JsonObject:
    """Tokens and cost of this run's own calls, all attempts; reused reviews are free. Without a price cost is null."""
    costs = [call.cost for call in calls if call.cost is not None]
    return sum((call.usage for call in calls), Usage()).model_dump() | {
        "cost": sum(costs, Decimal(0)) if costs else None,
        "calls": len(calls),
    }


def comparison(run: Run, other: Run) -> JsonObject:
    """What differs, from `run` to `other`; no model is asked."""
    before, after = proposal_of(run), proposal_of(other)
    old = {review.persona_id: review_shown(review) for review in ordered_reviews(run)}
    new = {review.persona_id: review_shown(review) for review in ordered_reviews(other)}
    proposals = [({} if shown is None else shown["expanded_proposal"]) for shown in (before, after)]
    return {
        "run_id": run.pk,
        "other_run_id": other.pk,
        "proposal": proposal_diff(*proposals),
        "personas": [
            {
                "persona_id": persona,
                "persona_name": (new.get(persona) or old[persona])["persona_name"],
                **review_delta(old.get(persona), new.get(persona)),
            }
            for persona in dict.fromkeys([*old, *new])
        ],
        "decision": decision_delta(decision_of(run), decision_of(other)),
    }


CONTENT: JsonObject = {
    **dict.fromkeys(("input_idea", "extra_context", "edited_proposal", "edit_notes", "proposal", "decision")),
    "reviews": [],
}
"""The content of a run, as it is shown to users who may not read it."""


def may_read(user: User, scopes: Collection[str], run: Run) -> bool:
    """Whether a user who sees a run may read its content: the owner, and others with the scope content:read."""
    return run.user_id == user.pk or Scope.CONTENT_READ in scopes


def without_content(shown: JsonObject) -> JsonObject:
    """A summary or a detail with its content left out."""
    return shown | {name: empty for name, empty in CONTENT.items() if name in shown}


def log_run_access(user: User, run: Run, how: str = "") -> None:
    """Note in the history of a run that somebody other than its owner read it."""
    if run.user_id != user.pk:
        log_content_access(user, run, how)
