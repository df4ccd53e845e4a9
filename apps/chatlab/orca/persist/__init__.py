"""What becomes of the model's answers."""

from apps.chatlab.orca.persist.patient import PatientInitialPersistence, PatientReplyPersistence

__all__ = ["PatientInitialPersistence", "PatientReplyPersistence"]
