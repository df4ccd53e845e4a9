"""Import and export of scenarios; they are found again by their keys."""

from __future__ import annotations

import json
from typing import Any

from import_export.fields import Field
from import_export.widgets import JSONWidget

from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.porting import PORTED
from orchestration.admin.resources import SafeResource


class ListWidget(JSONWidget):
    """A list as JSON; an empty cell is an empty list."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        return super().clean(value, row, **kwargs) or []  # type: ignore[no-untyped-call]

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return json.dumps(value, ensure_ascii=False)


LIST = ListWidget()  # type: ignore[no-untyped-call]


class ScenarioTemplateResource(SafeResource):
    """One row a scenario, without pictures; a new one belongs to who imports it. Bad findings refuse their row."""

    modifiers = Field("modifiers", "modifiers", LIST)
    findings = Field("findings", "findings", LIST)

    class Meta(SafeResource.Meta):
        model = ScenarioTemplate
        fields = (*PORTED, "time_limit")
        import_id_fields = ("key",)

    def before_save_instance(self, instance: ScenarioTemplate, row: Any, **kwargs: Any) -> None:
        if instance._state.adding:
            instance.owner = kwargs.get("user")
