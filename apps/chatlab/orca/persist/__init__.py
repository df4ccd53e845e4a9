"""What becomes of the model's answers."""

from apps.chatlab.orca.persist.patient import PatientInitialPersistence, PatientReplyPersistence
from apps.chatlab.orca.persist.results import PatientResultsPersistence

__all__ = ["PatientInitialPersistence", "PatientReplyPersistence", "PatientResultsPersistence"]
