"""What is known about the patient."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.simulation.models.simulations import Simulation
from orchestration.clock import database_now
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField


class MetadataKind(models.TextChoices):
    DEMOGRAPHICS = "demographics"
    HISTORY = "history"
    LAB_RESULT = "lab_result"
    RADIOLOGY_RESULT = "radiology_result"
    VITAL = "vital"
    EXAM = "exam"


class SimulationMetadata(models.Model):
    """One fact about the patient. `extra` holds what a kind adds: unit, reference range and flag of a result."""

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="metadata")
    kind = models.CharField(max_length=32, choices=MetadataKind)
    key = models.CharField(max_length=255)
    value = models.TextField(blank=True, default="")
    extra = StoredJSONField(default=dict, blank=True)
    created_at = MomentField(default=database_now, editable=False)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "simulation_metadata"
        ordering = ("kind", "key")
        verbose_name_plural = "simulation metadata"
        constraints = (
            models.UniqueConstraint(fields=("simulation", "key"), name="simulation_metadata_once"),
            models.CheckConstraint(condition=Q(kind__in=MetadataKind.values), name="simulation_metadata_kind_known"),
        )

    def __str__(self) -> str:
        return f"{self.kind}: {self.key}"
