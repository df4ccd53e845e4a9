"""A simulation, what is known of its patient, its pictures, its feedback, and what happened in it."""

from apps.simulation.models.events import SimulationEvent
from apps.simulation.models.feedback import FeedbackQuestion, QuestionStatus, SimulationFeedback
from apps.simulation.models.images import SimulationImage, StoredImage
from apps.simulation.models.kinds import Audience, EventKind
from apps.simulation.models.metadata import MetadataKind, SimulationMetadata
from apps.simulation.models.simulations import FeedbackStatus, Simulation, SimulationQuerySet, SimulationStatus

__all__ = [
    "Audience",
    "EventKind",
    "FeedbackQuestion",
    "FeedbackStatus",
    "MetadataKind",
    "QuestionStatus",
    "Simulation",
    "SimulationEvent",
    "SimulationFeedback",
    "SimulationImage",
    "SimulationMetadata",
    "SimulationQuerySet",
    "SimulationStatus",
    "StoredImage",
]
