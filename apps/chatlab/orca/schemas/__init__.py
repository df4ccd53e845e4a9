"""What the model's answers look like."""

from apps.chatlab.orca.schemas.patient import PatientInitialOutputSchema, PatientReplyOutputSchema
from apps.chatlab.orca.schemas.results import PatientResultsOutputSchema

__all__ = ["PatientInitialOutputSchema", "PatientReplyOutputSchema", "PatientResultsOutputSchema"]
