"""Simulations, their metadata, pictures, events and feedback in the console."""

from apps.simulation.admin.events import SimulationEventAdmin
from apps.simulation.admin.feedback import FeedbackQuestionAdmin, SimulationFeedbackAdmin
from apps.simulation.admin.images import SimulationImageAdmin
from apps.simulation.admin.simulations import SimulationAdmin, SimulationMetadataAdmin

__all__ = [
    "FeedbackQuestionAdmin",
    "SimulationAdmin",
    "SimulationEventAdmin",
    "SimulationFeedbackAdmin",
    "SimulationImageAdmin",
    "SimulationMetadataAdmin",
]
