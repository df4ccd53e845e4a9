"""Pictures of a case, or sent in the conversation."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.simulation.models.simulations import Simulation
from orchestration.clock import database_now
from orchestration.values.moments import MomentField


class StoredImage(models.Model):
    """A picture that was checked and encoded again before it was stored, by `apps.simulation.services.image_upload`."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    file = models.FileField(upload_to="images/%Y/%m/", editable=False)
    content_type = models.CharField(max_length=32, editable=False)
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    size = models.PositiveIntegerField(editable=False, help_text="Bytes.")
    checksum = models.CharField(max_length=64, editable=False, help_text="SHA-256 of the stored bytes.")
    description = models.CharField(max_length=255, blank=True, default="")
    created_at = MomentField(default=database_now, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.description or f"picture {self.uuid}"


class SimulationImage(StoredImage):
    """A picture of a simulation. One that belongs to the case is hidden from the trainee until it is revealed."""

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="images")
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    revealed_at = MomentField(null=True, blank=True)

    class Meta:
        db_table = "simulation_image"
        ordering = ("id",)
        indexes = (
            models.Index(
                fields=("simulation", "id"), condition=Q(revealed_at__isnull=True), name="simulation_image_hidden"
            ),
        )
