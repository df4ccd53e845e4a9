"""The parts of a patient's prompt."""

from apps.chatlab.orca.prompts.sections.conversation import RecentHistorySection, TraineeMessageSection
from apps.chatlab.orca.prompts.sections.patient import (
    BehaviourSection,
    DisclosureSection,
    OpeningSection,
    PatientNameSection,
    ReplyStyleSection,
    SafetySection,
)

__all__ = [
    "BehaviourSection",
    "DisclosureSection",
    "OpeningSection",
    "PatientNameSection",
    "RecentHistorySection",
    "ReplyStyleSection",
    "SafetySection",
    "TraineeMessageSection",
]
