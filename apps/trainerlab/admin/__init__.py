"""Scenarios and sessions in the console."""

from apps.trainerlab.admin.scenarios import AssignmentAdmin, ScenarioTemplateAdmin
from apps.trainerlab.admin.sessions import InstructorNoteAdmin, SessionEventAdmin, TrainerSessionAdmin

__all__ = [
    "AssignmentAdmin",
    "InstructorNoteAdmin",
    "ScenarioTemplateAdmin",
    "SessionEventAdmin",
    "TrainerSessionAdmin",
]
