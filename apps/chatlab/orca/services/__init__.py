"""The chat's model calls."""

from apps.chatlab.orca.services.patient import GeneratePatientInitial, GeneratePatientReply
from apps.chatlab.orca.services.results import GeneratePatientResults

__all__ = ["GeneratePatientInitial", "GeneratePatientReply", "GeneratePatientResults"]
