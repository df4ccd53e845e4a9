"""What is erased with a trainee, or with one simulation: what instructors wrote to them, noted and told the patient."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth import get_user_model
from django.db.models import Model, Q

from apps.simulation.erasure import of_simulation
from apps.simulation.models import Simulation, SimulationStatus
from apps.trainerlab.models import Assignment, InstructorNote, ScenarioImage, ScenarioTemplate, SessionEvent
from persistence.maintenance.kept import CODES, KEYS, keep
from persistence.maintenance.retention import Kind, add_kind


def _settled(moment: datetime) -> Q:
    """Withdrawn, or played to its end: until then the trainee needs to read it."""
    return Q(withdrawn_at__isnull=False) | Q(simulation__status=SimulationStatus.ENDED)


def _assigned(subject: Model) -> Q | None:
    if isinstance(subject, Simulation):
        return Q(simulation=subject.pk)
    return Q(trainee=subject.pk) if isinstance(subject, get_user_model()) else None


def register() -> None:
    """Erase notes, commands and assignments with whom they are about; scenarios belong to all trainees."""
    add_kind("notes", of_simulation(InstructorNote, path="session__simulation"))
    add_kind("commands", of_simulation(SessionEvent, {"data": {}}, path="session__simulation"))
    keep(SessionEvent, KEYS, "command_key")
    add_kind("assignments", Kind(model=Assignment, empty={"message": ""}, ready=_settled, about=_assigned))
    authors = "A scenario, as its authors wrote it for all trainees."
    told = ("title", "summary", "task", "setting", "scenario", "instructions", "modifiers", "findings", "key")
    patient = ("sim_patient_full_name", "patient_occupation", "chief_complaint")
    right = ("diagnosis", "accepted_diagnoses", "treatment_points", "criteria")
    keep(ScenarioTemplate, authors, *told, *patient, *right)
    keep(ScenarioTemplate, CODES, "model")
    keep(ScenarioImage, authors, "file", "content_type", "checksum", "description")
