"""Findings of a case, modifiers of the patient's behaviour, and other lists of lines."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from django.core.exceptions import ValidationError
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, TypeAdapter, model_serializer
from pydantic import ValidationError as Invalid

from apps.simulation.fields import Line, Text

MAX_FINDINGS = 100
MAX_MODIFIERS = 20
MAX_ALIASES = 20
MAX_LINES = 20

Flag = Literal["normal", "low", "high", "critical", "abnormal"]
FindingKind = Literal["lab_result", "radiology_result", "vital", "exam"]
System = Literal[
    "General",
    "Cardiovascular",
    "Respiratory",
    "Abdomen",
    "Neurological",
    "Skin",
    "Musculoskeletal",
    "Head and neck",
    "Genitourinary",
    "Mental state",
]
"""What is examined."""
SYSTEMS: tuple[System, ...] = get_args(System)
LEFT_OUT = ("aliases", "system")
"""Fields that an older version does not know: they are stored only where they say something."""


Alias = Annotated[Line, Field(min_length=1, max_length=100, examples=["CRP"])]


class Finding(BaseModel):
    """A result as it becomes metadata: a value of the laboratory or of the monitor with unit, reference range and flag,
    the report of an image, or what an examination of the body finds.

    `aliases` are other names under which it may be ordered.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FindingKind
    key: Annotated[Line, Field(min_length=1, max_length=255, examples=["White blood cells"])]
    value: Annotated[Text, Field(min_length=1, max_length=4000, examples=["15.2"])]
    unit: Annotated[Line, Field(max_length=32, examples=["10^9/L"])] = ""
    reference_range: Annotated[Line, Field(max_length=64, examples=["4.0-11.0"])] = ""
    flag: Flag = "normal"
    aliases: Annotated[list[Alias], Field(max_length=MAX_ALIASES)] = []
    system: System | Literal[""] = ""

    @model_serializer(mode="wrap")
    def _stored(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        return {name: value for name, value in found.items() if value or name not in LEFT_OUT}

    def extra(self) -> dict[str, Any]:
        """What stands beside kind, key and value in `SimulationMetadata.extra`."""
        extra = {"unit": self.unit, "reference_range": self.reference_range, "flag": self.flag}
        return extra | ({"system": self.system} if self.system else {})

    def line(self) -> str:
        """For people: `White blood cells: 15.2 10^9/L (reference 4.0-11.0), high`."""
        value = f"{self.value} {self.unit}".strip()
        reference = f" (reference {self.reference_range})" if self.reference_range else ""
        return f"{self.key}: {value}{reference}, {self.flag}"


Modifier = Annotated[Line, Field(min_length=1, max_length=500, examples=["Is afraid of needles."])]
CaseLine = Annotated[Line, Field(min_length=1, max_length=255, examples=["heart attack"])]
CaseLines = Annotated[list[CaseLine], Field(max_length=MAX_LINES)]
Findings = Annotated[list[Finding], Field(max_length=MAX_FINDINGS)]
Modifiers = Annotated[list[Modifier], Field(max_length=MAX_MODIFIERS)]

_findings = TypeAdapter(Findings)
_modifiers = TypeAdapter(Modifiers)
_lines = TypeAdapter(CaseLines)


def findings_of(value: Any) -> list[Finding]:
    """Stored findings, parsed; pydantic's ValidationError when they are not valid."""
    return _findings.validate_python(value)


def distinct(findings: list[Finding]) -> list[Finding]:
    """The findings; ValueError when two have the same key."""
    keys = [finding.key.casefold() for finding in findings]
    doubled = sorted({key for key in keys if keys.count(key) > 1})
    if doubled:
        raise ValueError(f"More than one finding has the key {', '.join(doubled)}.")
    return findings


def validate_findings(value: Any) -> None:
    """For model fields: ValidationError that says where and why a list of findings is not valid; every key once."""
    try:
        found = findings_of(value)
    except Invalid as error:
        raise ValidationError(_messages(error)) from error
    try:
        distinct(found)
    except ValueError as error:
        raise ValidationError(str(error)) from error


def validate_modifiers(value: Any) -> None:
    """For model fields: as `validate_findings`."""
    try:
        _modifiers.validate_python(value)
    except Invalid as error:
        raise ValidationError(_messages(error)) from error


def validate_lines(value: Any) -> None:
    """For model fields: as `validate_findings`, for a list of lines."""
    try:
        _lines.validate_python(value)
    except Invalid as error:
        raise ValidationError(_messages(error)) from error


def _messages(error: Invalid) -> list[str]:
    return [f"{'.'.join(map(str, item['loc'])) or 'value'}: {item['msg']}" for item in error.errors()[:5]]
