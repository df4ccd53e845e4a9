"""The parts of a patient's prompt."""

from apps.chatlab.orca.prompts.sections.conversation import RecentHistorySection, TraineeMessageSection
from apps.chatlab.orca.prompts.sections.patient import (
    BehaviourSection,
    DisclosureSection,
    ModifiersSection,
    OpeningSection,
    PatientNameSection,
    PicturesSection,
    ReplyStyleSection,
    SafetySection,
)
from apps.chatlab.orca.prompts.sections.results import (
    KnownResultsSection,
    OrderSection,
    ResultsCaseSection,
    ResultsRulesSection,
)

__all__ = [
    "BehaviourSection",
    "DisclosureSection",
    "KnownResultsSection",
    "ModifiersSection",
    "OpeningSection",
    "OrderSection",
    "PatientNameSection",
    "PicturesSection",
    "RecentHistorySection",
    "ReplyStyleSection",
    "ResultsCaseSection",
    "ResultsRulesSection",
    "SafetySection",
    "TraineeMessageSection",
]
