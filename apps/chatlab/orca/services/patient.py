"""The simulated patient: how it opens, and how it replies."""

from __future__ import annotations

from apps.chatlab.orca.mixins import ChatlabMixin
from apps.chatlab.orca.prompts.sections.conversation import RecentHistorySection, TraineeMessageSection
from apps.chatlab.orca.prompts.sections.patient import (
    BehaviourSection,
    DisclosureSection,
    ModifiersSection,
    OpeningSection,
    PatientNameSection,
    PicturesSection,
    ReplyFactsSection,
    ReplyStyleSection,
    SafetySection,
    VitalSignsSection,
)
from apps.chatlab.orca.schemas import PatientInitialOutputSchema, PatientReplyOutputSchema
from apps.simulation.orca.mixins import StandardizedPatientMixin
from orchestration.decorators import service
from orchestration.services import DjangoBaseService

SPOKEN = "messages[].content[].text"
"""What of the answer is shown while it is written."""
PATIENT = (PatientNameSection, SafetySection, BehaviourSection, DisclosureSection, ModifiersSection, ReplyStyleSection)


@service
class GeneratePatientInitial(ChatlabMixin, StandardizedPatientMixin, DjangoBaseService):
    """The patient's first message of a simulation."""

    required_context_keys = ("simulation_id",)
    schema = PatientInitialOutputSchema
    prompt_plan = (*PATIENT, OpeningSection)
    stream = SPOKEN


@service
class GeneratePatientReply(ChatlabMixin, StandardizedPatientMixin, DjangoBaseService):
    """The patient's reply: to the message `message_id` of the context, without one to the conversation as it stands."""

    required_context_keys = ("simulation_id",)
    schema = PatientReplyOutputSchema
    prompt_plan = (
        *PATIENT,
        VitalSignsSection,
        ReplyFactsSection,
        PicturesSection,
        RecentHistorySection,
        TraineeMessageSection,
    )
    stream = SPOKEN
