"""Stores proposals and reviews as rows, and submits the next calls in the same transaction."""

from __future__ import annotations

from django.db.models import Model

from apps.consensus.models import PersonaReview, ProposalVersion
from apps.consensus.orca.mixins import ConsensusMixin
from apps.consensus.orca.schemas import ProposalOutputSchema, ReviewOutputSchema
from apps.consensus.workflow.close_decisions import why_a_person_decides
from apps.consensus.workflow.reprocess import proposal_changed, review_changed
from apps.consensus.workflow.steps import proposal_arrived, review_arrived
from orchestration.types import Response
from persistence.handlers import BasePersistenceHandler, persistence_handler


@persistence_handler
class ProposalPersistence(ConsensusMixin, BasePersistenceHandler):
    """The proposal of a run; five reviews follow. An idea that was expanded without a run leaves no row."""

    schema = ProposalOutputSchema

    def persist(self, response: Response) -> ProposalVersion | None:
        if "run_id" not in response.context:
            return None
        return proposal_arrived(response.context["run_id"], response)

    def update(self, response: Response, made: list[Model]) -> ProposalVersion | None:
        """Update the proposal from the answer; its reviews stay."""
        if "run_id" not in response.context:
            return None
        return proposal_changed(response.context["run_id"], response)


@persistence_handler
class ReviewPersistence(ConsensusMixin, BasePersistenceHandler):
    """One review; the last one leads to the decision. A review without a run leaves no row."""

    schema = ReviewOutputSchema

    def needs_approval(self, response: Response) -> str | None:
        return why_a_person_decides(response) if "run_id" in response.context else None

    def persist(self, response: Response) -> PersonaReview | None:
        if "run_id" not in response.context:
            return None
        return review_arrived(response.context["run_id"], response.context["persona_id"], response)

    def update(self, response: Response, made: list[Model]) -> PersonaReview | None:
        """Update the review from the answer; refused when a decision is based on what would change."""
        if "run_id" not in response.context:
            return None
        return review_changed(response.context["run_id"], response.context["persona_id"], response)
