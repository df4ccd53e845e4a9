"""What the model's answers look like."""

from apps.chatlab.orca.schemas.patient import PatientInitialOutputSchema, PatientReplyOutputSchema

__all__ = ["PatientInitialOutputSchema", "PatientReplyOutputSchema"]
