"""What a case brings beside its story: findings that can be found, and modifiers of the patient's behaviour."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic import ValidationError as Invalid

from apps.simulation.text import Line, Text

MAX_FINDINGS = 100
MAX_MODIFIERS = 20

Flag = Literal["normal", "low", "high", "critical", "abnormal"]


class Finding(BaseModel):
    """A result as it becomes metadata: a lab value with unit, reference range and flag, or the report of an image."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["lab_result", "radiology_result"]
    key: Annotated[Line, Field(min_length=1, max_length=255, examples=["White blood cells"])]
    value: Annotated[Text, Field(min_length=1, max_length=4000, examples=["15.2"])]
    unit: Annotated[Line, Field(max_length=32, examples=["10^9/L"])] = ""
    reference_range: Annotated[Line, Field(max_length=64, examples=["4.0-11.0"])] = ""
    flag: Flag = "normal"

    def extra(self) -> dict[str, Any]:
        """What stands beside kind, key and value in `SimulationMetadata.extra`."""
        return {"unit": self.unit, "reference_range": self.reference_range, "flag": self.flag}

    def line(self) -> str:
        """For people: `White blood cells: 15.2 10^9/L (reference 4.0-11.0), high`."""
        value = f"{self.value} {self.unit}".strip()
        reference = f" (reference {self.reference_range})" if self.reference_range else ""
        return f"{self.key}: {value}{reference}, {self.flag}"


Modifier = Annotated[Line, Field(min_length=1, max_length=500, examples=["Is afraid of needles."])]
Findings = Annotated[list[Finding], Field(max_length=MAX_FINDINGS)]
Modifiers = Annotated[list[Modifier], Field(max_length=MAX_MODIFIERS)]

_findings = TypeAdapter(Findings)
_modifiers = TypeAdapter(Modifiers)


def findings_of(value: Any) -> list[Finding]:
    """Stored findings, read; pydantic's ValidationError when they are none."""
    return _findings.validate_python(value)


def distinct(findings: list[Finding]) -> list[Finding]:
    """The findings; ValueError when two have the same key."""
    keys = [finding.key.casefold() for finding in findings]
    doubled = sorted({key for key in keys if keys.count(key) > 1})
    if doubled:
        raise ValueError(f"More than one finding has this key: {', '.join(doubled)}.")
    return findings


def validate_findings(value: Any) -> None:
    """For model fields: where and why a list is no list of findings; every key once."""
    try:
        found = findings_of(value)
    except Invalid as error:
        raise ValidationError(_told(error)) from error
    try:
        distinct(found)
    except ValueError as error:
        raise ValidationError(str(error)) from error


def validate_modifiers(value: Any) -> None:
    """For model fields: as `validate_findings`."""
    try:
        _modifiers.validate_python(value)
    except Invalid as error:
        raise ValidationError(_told(error)) from error


def _told(error: Invalid) -> list[str]:
    return [f"{'.'.join(map(str, item['loc'])) or 'value'}: {item['msg']}" for item in error.errors()[:5]]
