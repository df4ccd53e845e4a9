"""The schemas of the chat's calls."""

from apps.chatlab.orca.schemas.patient import PatientInitialOutputSchema, PatientReplyOutputSchema
from apps.chatlab.orca.schemas.test_results import PatientResultsOutputSchema

__all__ = ["PatientInitialOutputSchema", "PatientReplyOutputSchema", "PatientResultsOutputSchema"]
