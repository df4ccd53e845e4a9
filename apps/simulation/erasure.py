"""What is erased with a trainee, or with one simulation: what was said, found out, judged and shown in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Model, Q

from apps.simulation.models import (
    FeedbackQuestion,
    Simulation,
    SimulationEvent,
    SimulationFeedback,
    SimulationImage,
    SimulationMetadata,
    SimulationStatus,
)
from persistence.maintenance.kept import CODES, KEYS, keep
from persistence.maintenance.retention import ERASED, Kind, add_kind


def over(path: str) -> Callable[[datetime], Q]:
    """The simulation under this path has ended: until then its content is needed."""
    return lambda moment: Q(**{f"{path}__status": SimulationStatus.ENDED})


def about(path: str) -> Callable[[Model], Q | None]:
    """Rows of the simulation, or of all simulations of a user, under this path."""

    def which(subject: Model) -> Q | None:
        if isinstance(subject, Simulation):
            return Q(**{path: subject.pk})
        return Q(**{f"{path}__user": subject.pk}) if isinstance(subject, get_user_model()) else None

    return which


def of_simulation(model: type[Model], empty: Mapping[str, Any] | None = None, path: str = "simulation") -> Kind:
    """A kind of rows of simulations; without columns to empty the rows go."""
    return Kind(model=model, empty=empty, ready=over(path), about=about(path))


CASE = {
    **dict.fromkeys(("patient_occupation", "setting", "task", "diagnosis", "chief_complaint"), ""),
    **dict.fromkeys(("scenario", "instructions"), ""),
    **{name: [] for name in ("accepted_diagnoses", "treatment_points", "criteria", "modifiers", "findings")},
    "sim_patient_full_name": ERASED,
}
"""Whoever starts a simulation may write its case, and an instructor adds to it while it is played."""


def _ended(moment: datetime) -> Q:
    return Q(status=SimulationStatus.ENDED)


def _themselves(subject: Model) -> Q | None:
    if isinstance(subject, Simulation):
        return Q(pk=subject.pk)
    return Q(user=subject.pk) if isinstance(subject, get_user_model()) else None


def register() -> None:
    """Let these be erased with their subject."""
    add_kind("cases", Kind(model=Simulation, empty=CASE, ready=_ended, about=_themselves))
    keep(Simulation, CODES, "model", "failure_code", "feedback_failure_code")
    keep(Simulation, KEYS, "metadata_checksum")
    keep(SimulationEvent, "What kind of thing happened to which row, and when; no words.", "data")
    feedback = {"overall_feedback": ERASED, "metrics": {}, "diagnosis_named": "", "rubric": [], "next_time": []}
    add_kind("feedback", of_simulation(SimulationFeedback, feedback))
    add_kind("questions", of_simulation(FeedbackQuestion, {"question": ERASED, "answer": ERASED}))
    keep(FeedbackQuestion, CODES, "failure_code")
    keep(FeedbackQuestion, KEYS, "client_id")
    add_kind("facts", of_simulation(SimulationMetadata, {"value": ERASED, "extra": {}}))
    keep(SimulationMetadata, "What a fact or a test is called, without what was found.", "key")
    add_kind("pictures", of_simulation(SimulationImage))
