"""The rows of the consensus engine: runs with their steps and events, results, prompt sets."""

from apps.consensus.models.prompts import Persona, PromptSet
from apps.consensus.models.results import Decision, PersonaReview, ProposalVersion
from apps.consensus.models.runs import Run, RunStatus, RunType, StepProgress, StepStatus

__all__ = [
    "Decision",
    "Persona",
    "PersonaReview",
    "PromptSet",
    "ProposalVersion",
    "Run",
    "RunStatus",
    "RunType",
    "StepProgress",
    "StepStatus",
]
