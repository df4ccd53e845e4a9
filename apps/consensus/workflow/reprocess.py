"""Persists stored answers again, after a new schema or a corrected handler: rows are updated, decisions are not.

A decision is never recalculated: for another one the run is revised.
"""

from __future__ import annotations

from django.forms.models import model_to_dict

from apps.consensus.models import Decision, PersonaReview, ProposalVersion, Run
from apps.consensus.orca.schemas import ReviewOutputSchema, content_of
from apps.consensus.workflow.steps import columns_of, diff_to_parent, proposal_content
from orchestration.types import Response
from persistence.errors import ReprocessRefused

DECIDING = frozenset({"blocking_issues_present", "security_concerns_present"})
"""The columns of a review that a decision is based on, besides its score."""


def proposal_changed(run_id: str, response: Response) -> ProposalVersion:
    """Update a proposal, keeping what a person edited; ReprocessRefused when it no longer exists."""
    run = Run.objects.locked(run_id)
    proposal = ProposalVersion.objects.filter(run=run).first()
    if proposal is None:
        raise ReprocessRefused(["The proposal no longer exists; use recreate."])
    content = proposal_content(run, response)
    if content != proposal.expanded_proposal_json:
        proposal.expanded_proposal_json, proposal.proposal_diff_json = content, diff_to_parent(run, content)
        proposal.save(update_fields=["expanded_proposal_json", "proposal_diff_json"])
    return proposal


def review_changed(run_id: str, persona_id: str, response: Response) -> PersonaReview:
    """Update a review; ReprocessRefused when it no longer exists, or when a decision is based on what would change."""
    run = Run.objects.locked(run_id)
    review = run.reviews.filter(persona_id=persona_id).first()
    if review is None:
        raise ReprocessRefused(["The review no longer exists; use recreate."])
    columns = columns_of(persona_id, content_of(ReviewOutputSchema, response))
    stored = model_to_dict(review, fields=list(columns))
    changed = {name: value for name, value in columns.items() if stored[name] != value}
    rescored = columns["review_json"]["confidence_score"] != review.review_json["confidence_score"]
    if (rescored or not DECIDING.isdisjoint(changed)) and Decision.objects.filter(run=run).exists():
        raise ReprocessRefused(["The run is decided, and its decision is based on what would change: revise the run."])
    for name, value in changed.items():
        setattr(review, name, value)
    if changed:
        review.save(update_fields=list(changed))
    return review
