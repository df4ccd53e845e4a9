"""Assignments of scenarios to trainees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models.roles import Action, Reach, Resource, reach
from apps.simulation.fields import validate_text
from apps.simulation.models import Simulation
from apps.trainerlab.models.scenarios import ScenarioTemplate
from orchestration.clock import database_now
from orchestration.values.moments import MomentField

if TYPE_CHECKING:
    from apps.accounts.models import User


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def visible_to(self, user: User) -> Self:
        """Trainees see their own, instructors all."""
        everything = reach(user, Action.VIEW, Resource.SESSION) is Reach.ANY
        return self if everything else self.filter(trainee=user)

    def open(self) -> Self:
        """Not started and not withdrawn."""
        return self.filter(simulation__isnull=True, withdrawn_at__isnull=True)


class Assignment(models.Model):
    """A scenario assigned to a trainee, who starts its one simulation."""

    template = models.ForeignKey(ScenarioTemplate, on_delete=models.PROTECT, related_name="assignments")
    trainee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="assignments")
    assigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    message = models.TextField(blank=True, default="", validators=[validate_text], help_text="For the trainee.")
    due_at = MomentField(null=True, blank=True)
    simulation = models.OneToOneField(
        Simulation, null=True, blank=True, on_delete=models.SET_NULL, related_name="assignment", editable=False
    )
    created_at = MomentField(default=database_now, editable=False)
    withdrawn_at = MomentField(null=True, blank=True, editable=False)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        db_table = "assignment"
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("template", "trainee"),
                condition=Q(simulation__isnull=True, withdrawn_at__isnull=True),
                name="assignment_open_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.template} for {self.trainee}"

    @property
    def is_overdue(self) -> bool:
        """Still to be started, after it was due."""
        is_open = self.simulation_id is None and self.withdrawn_at is None
        return is_open and self.due_at is not None and self.due_at <= database_now()
