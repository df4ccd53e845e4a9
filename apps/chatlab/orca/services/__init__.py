"""The services of the chat: opening, reply, test results."""

from apps.chatlab.orca.services.patient import GeneratePatientInitial, GeneratePatientReply
from apps.chatlab.orca.services.test_results import GeneratePatientResults

__all__ = ["GeneratePatientInitial", "GeneratePatientReply", "GeneratePatientResults"]
