"""The model calls: expanding an idea, reviewing as a persona, and one review without a run."""

from __future__ import annotations

from apps.consensus.conf import consensus_settings
from apps.consensus.orca.mixins import ConsensusMixin
from apps.consensus.orca.prompts.sections.review import (
    ExpandInstructionSection,
    GenericReviewerSection,
    IdeaSection,
    PersonaSection,
    ProposalSection,
    ReviewInstructionSection,
    RevisionSection,
)
from apps.consensus.orca.schemas import ProposalOutputSchema, ReviewOutputSchema
from orchestration.decorators import service
from orchestration.services import DjangoBaseService


@service
class ExpandIdea(ConsensusMixin, DjangoBaseService):
    """The idea of the run `run_id`, or the idea of the input, as a proposal."""

    schema = ProposalOutputSchema
    prompt_plan = (ExpandInstructionSection, IdeaSection, RevisionSection)
    retry = consensus_settings().retry


@service
class ReviewAsPersona(ConsensusMixin, DjangoBaseService):
    """One persona's review of a run's proposal."""

    required_context_keys = ("run_id", "persona_id")
    schema = ReviewOutputSchema
    prompt_plan = (ReviewInstructionSection, PersonaSection, IdeaSection, ProposalSection)
    retry = consensus_settings().retry


@service
class ReviewIdea(ConsensusMixin, DjangoBaseService):
    """One generic reviewer's view of the idea of the input; it belongs to no run."""

    required_context_keys = ("prompt_set_version",)
    schema = ReviewOutputSchema
    prompt_plan = (ReviewInstructionSection, GenericReviewerSection, IdeaSection)
    retry = consensus_settings().retry
