"""A simulation, what is known of its patient, its pictures, its feedback, and what happened in it."""

from apps.simulation.models.event_types import EventKind
from apps.simulation.models.events import SimulationEvent
from apps.simulation.models.feedback import FeedbackQuestion, SimulationFeedback
from apps.simulation.models.images import SimulationImage
from apps.simulation.models.metadata import MetadataKind, SimulationMetadata
from apps.simulation.models.simulations import FeedbackStatus, Simulation, SimulationStatus

__all__ = [
    "EventKind",
    "FeedbackQuestion",
    "FeedbackStatus",
    "MetadataKind",
    "Simulation",
    "SimulationEvent",
    "SimulationFeedback",
    "SimulationImage",
    "SimulationMetadata",
    "SimulationStatus",
]
