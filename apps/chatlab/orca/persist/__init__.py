"""The persistence handlers of the chat's calls."""

from apps.chatlab.orca.persist.patient import PatientInitialPersistence, PatientReplyPersistence
from apps.chatlab.orca.persist.test_results import PatientResultsPersistence

__all__ = ["PatientInitialPersistence", "PatientReplyPersistence", "PatientResultsPersistence"]
