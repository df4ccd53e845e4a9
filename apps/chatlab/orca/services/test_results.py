"""The laboratory and the radiology department: results of what a trainee orders."""

from __future__ import annotations

from apps.chatlab.orca.mixins import ChatlabMixin
from apps.chatlab.orca.prompts.sections.test_results import (
    KnownResultsSection,
    OrderSection,
    ResultsCaseSection,
    ResultsRulesSection,
)
from apps.chatlab.orca.schemas import PatientResultsOutputSchema
from apps.simulation.orca.mixins import StandardizedPatientMixin
from orchestration.decorators import service
from orchestration.services import DjangoBaseService


@service
class GeneratePatientResults(ChatlabMixin, StandardizedPatientMixin, DjangoBaseService):
    """The results of the tests that the message `message_id` orders."""

    required_context_keys = ("simulation_id", "message_id")
    schema = PatientResultsOutputSchema
    prompt_plan = (ResultsRulesSection, ResultsCaseSection, KnownResultsSection, OrderSection)
