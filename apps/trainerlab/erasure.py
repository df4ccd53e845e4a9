"""What is erased with a trainee, or with one simulation: what instructors noted about it."""

from __future__ import annotations

from apps.simulation.erasure import of_simulation
from apps.trainerlab.models import InstructorNote
from persistence.maintenance.retention import add_kind


def register() -> None:
    """Erase notes with the session that they are about."""
    add_kind("notes", of_simulation(InstructorNote, path="session__simulation"))
