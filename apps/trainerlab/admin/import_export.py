"""Import and export of scenarios; they are found again by their keys."""

from __future__ import annotations

from typing import Any

from import_export.fields import Field

from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.services.import_export import PORTED
from orchestration.admin.import_export import SafeResource
from orchestration.admin.import_widgets import JsonWidget


class ListWidget(JsonWidget):
    """A list as JSON; an empty cell is an empty list."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        return super().clean(value, row, **kwargs) or []


LIST = ListWidget()  # type: ignore[no-untyped-call]


class ScenarioTemplateResource(SafeResource):
    """One row a scenario, without pictures; a new one belongs to who imports it. Bad findings refuse their row."""

    modifiers = Field("modifiers", "modifiers", LIST)
    findings = Field("findings", "findings", LIST)
    accepted_diagnoses = Field("accepted_diagnoses", "accepted_diagnoses", LIST)
    treatment_points = Field("treatment_points", "treatment_points", LIST)
    criteria = Field("criteria", "criteria", LIST)

    class Meta(SafeResource.Meta):
        model = ScenarioTemplate
        fields = (*PORTED, "time_limit")
        import_id_fields = ("key",)

    def before_save_instance(self, instance: ScenarioTemplate, row: Any, **kwargs: Any) -> None:
        if instance._state.adding:
            instance.owner = kwargs.get("user")
