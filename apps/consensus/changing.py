"""Stored answers persisted anew, after an upgrade of their schema or a mended handler: rows follow, decisions do not.

A decision stands as it was made. Whoever wants another one revises the run.
"""

from __future__ import annotations

from decimal import Decimal

from apps.consensus.decision import has_security_concerns, quantized
from apps.consensus.flow import diff_to_parent, proposal_content
from apps.consensus.models import Decision, PersonaReview, ProposalVersion, Run
from orchestration.types import Response
from persistence.errors import ReplayRefused

DECIDING = ("confidence_score", "blocking_issues_present", "security_concerns_present")
"""What of a review a decision is made of."""


def proposal_changed(run_id: str, response: Response) -> ProposalVersion:
    """Write a proposal anew, with what a person edited; ReplayRefused when it is gone."""
    run = Run.objects.locked(run_id)
    proposal = ProposalVersion.objects.filter(run=run).first()
    if proposal is None:
        raise ReplayRefused(["The proposal is gone; use recreate."])
    content = proposal_content(run, response)
    if content != proposal.expanded_proposal_json:
        proposal.expanded_proposal_json, proposal.proposal_diff_json = content, diff_to_parent(run, content)
        proposal.save(update_fields=["expanded_proposal_json", "proposal_diff_json"])
    return proposal


def review_changed(run_id: str, persona_id: str, response: Response) -> PersonaReview:
    """Write a review anew; ReplayRefused when it is gone, or when a decision was made of what would change."""
    run = Run.objects.locked(run_id)
    review = run.reviews.filter(persona_id=persona_id).first()
    if review is None:
        raise ReplayRefused(["The review is gone; use recreate."])
    before = (review.review_json, *(getattr(review, name) for name in DECIDING))
    _say(review, response)
    after = (review.review_json, *(getattr(review, name) for name in DECIDING))
    if before[1:] != after[1:] and Decision.objects.filter(run=run).exists():
        raise ReplayRefused(["The run is decided, and its decision was made of what would change: revise the run."])
    if before != after:
        review.save(update_fields=["review_json", *DECIDING])
    return review


def _say(review: PersonaReview, response: Response) -> None:
    content = response.structured_data or {}
    score = quantized(Decimal(str(content["confidence_score"])))
    review.review_json = {**content, "confidence_score": float(score)}
    review.confidence_score = score
    review.blocking_issues_present = bool(content["blocking_issues"])
    review.security_concerns_present = has_security_concerns({**content, "persona_id": review.persona_id})
