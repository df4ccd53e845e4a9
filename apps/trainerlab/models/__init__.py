"""What instructors write and do: scenarios, assignments, the commands of a session, and notes on it."""

from apps.trainerlab.models.assignments import Assignment
from apps.trainerlab.models.scenarios import ScenarioImage, ScenarioTemplate
from apps.trainerlab.models.sessions import CommandKind, InstructorNote, SessionEvent, TrainerSession

__all__ = [
    "Assignment",
    "CommandKind",
    "InstructorNote",
    "ScenarioImage",
    "ScenarioTemplate",
    "SessionEvent",
    "TrainerSession",
]
