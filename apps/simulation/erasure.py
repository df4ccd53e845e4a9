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
    SimulationFeedback,
    SimulationImage,
    SimulationMetadata,
    SimulationStatus,
)
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


def register() -> None:
    """Let these be erased with their subject."""
    feedback = {"overall_feedback": ERASED, "metrics": {}, "diagnosis_named": "", "rubric": [], "next_time": []}
    add_kind("feedback", of_simulation(SimulationFeedback, feedback))
    add_kind("questions", of_simulation(FeedbackQuestion, {"question": ERASED, "answer": ERASED}))
    add_kind("facts", of_simulation(SimulationMetadata, {"value": ERASED, "extra": {}}))
    add_kind("pictures", of_simulation(SimulationImage))
