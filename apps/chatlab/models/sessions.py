"""The chat of a simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from apps.simulation.models import Simulation
from orchestration.clock import database_now
from orchestration.values.moments import MomentField

if TYPE_CHECKING:
    pass


class ChatSession(models.Model):
    """The chat that belongs to a simulation."""

    simulation = models.OneToOneField(Simulation, on_delete=models.CASCADE, related_name="chat_session")
    created_at = MomentField(default=database_now, editable=False)

    class Meta:
        db_table = "chat_session"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"chat of simulation {self.simulation_id}"
