"""The chat's model calls."""

from apps.chatlab.orca.services.patient import GeneratePatientInitial, GeneratePatientReply

__all__ = ["GeneratePatientInitial", "GeneratePatientReply"]
