"""Import and export of prompt sets and personas. A file that would make a version unusable is refused as a whole."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from import_export.fields import Field
from import_export.widgets import ForeignKeyWidget

from apps.consensus.models import Persona, PromptSet
from apps.consensus.models.prompts import PERSONA_FIELDS, SET_FIELDS
from orchestration.admin.import_export import SafeResource


class PromptSetResource(SafeResource):
    """One row for each version, without its personas."""

    class Meta(SafeResource.Meta):
        model = PromptSet
        fields = ("version", *SET_FIELDS)
        import_id_fields = ("version",)


class PersonaResource(SafeResource):
    """One row for each persona of a version, which must exist; afterwards each version must be usable."""

    version = Field("prompt_set", "version", ForeignKeyWidget(PromptSet, "version"))

    class Meta(SafeResource.Meta):
        model = Persona
        fields = ("version", *PERSONA_FIELDS)
        import_id_fields = ("version", "persona_id")

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        super().before_import(dataset, **kwargs)
        keys = [(str(row["version"]), str(row["persona_id"])) for row in dataset.dict]
        doubled = sorted({f"{persona} in {version}" for version, persona in keys if keys.count((version, persona)) > 1})
        if doubled:
            raise ValidationError(f"These personas are in the file more than once: {', '.join(doubled)}.")

    def after_import(self, dataset: Any, result: Any, **kwargs: Any) -> None:
        versions = {str(row["version"]) for row in dataset.dict}
        for prompt_set in PromptSet.objects.filter(version__in=versions):
            faults = prompt_set.faults()
            if faults:
                raise ValidationError(f"Version {prompt_set.version} would not be usable: {' '.join(faults)}")
