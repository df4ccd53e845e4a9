"""Stored answers persisted anew, after an upgrade of their schema or a mended handler: rows follow, decisions do not.

A decision stands as it was made. Whoever wants another one revises the run.
"""

from __future__ import annotations

from apps.consensus.flow import columns_of, diff_to_parent, proposal_content
from apps.consensus.models import Decision, PersonaReview, ProposalVersion, Run
from orchestration.types import Response
from persistence.errors import ReplayRefused

DECIDING = frozenset({"confidence_score", "blocking_issues_present", "security_concerns_present"})
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
    columns = columns_of(persona_id, response.structured_data or {})
    changed = {name: value for name, value in columns.items() if getattr(review, name) != value}
    if not DECIDING.isdisjoint(changed) and Decision.objects.filter(run=run).exists():
        raise ReplayRefused(["The run is decided, and its decision was made of what would change: revise the run."])
    for name, value in changed.items():
        setattr(review, name, value)
    if changed:
        review.save(update_fields=list(changed))
    return review
