"""The rows of the consensus engine."""

from apps.consensus.models.prompts import Persona, PromptSet
from apps.consensus.models.results import Decision, PersonaReview, ProposalVersion
from apps.consensus.models.runs import Run, RunEvent, RunStatus, RunType, StepProgress, StepStatus

__all__ = [
    "Decision",
    "Persona",
    "PersonaReview",
    "PromptSet",
    "ProposalVersion",
    "Run",
    "RunEvent",
    "RunStatus",
    "RunType",
    "StepProgress",
    "StepStatus",
]
