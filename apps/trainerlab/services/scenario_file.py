"""The format of scenarios in requests and in exported files."""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Schema
from pydantic import Field, ValidationError, field_validator, model_validator

from apps.simulation.api.schemas import CaseIn
from apps.simulation.fields import Line, Text
from orchestration.api.schemas import RequestSchema
from orchestration.values import file_formats

FILE_FORMAT = file_formats.FIRST
"""What this code writes, and the newest that it reads: one more when a field gets another meaning."""


class ScenarioIn(CaseIn):
    """A whole scenario; `key` is the short name by which imports find it."""

    key: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[-a-zA-Z0-9_]+$", examples=["appendicitis-1"])]
    title: Annotated[Line, Field(min_length=1, max_length=150, examples=["Belly pain in a young baker"])]
    summary: Annotated[Text, Field(max_length=4000)] = ""
    diagnosis: Annotated[Line, Field(min_length=1, max_length=255, examples=["acute appendicitis"])]
    is_open: bool = False
    holds_feedback: bool = False


class ScenarioFile(RequestSchema):
    """An exported file of scenarios; every key once."""

    file_format: Annotated[
        int, Field(description="Which version of this format the file has; one from before there were any has none.")
    ] = FILE_FORMAT
    scenarios: Annotated[list[ScenarioIn], Field(max_length=500)]

    @model_validator(mode="before")
    @classmethod
    def refuse_newer(cls, file: Any) -> Any:
        """Before anything else: of a newer file other fields are unknown, too."""
        if isinstance(file, dict):
            file_formats.refuse_unknown(file.get(file_formats.NAME), FILE_FORMAT)
        return file

    @field_validator("scenarios")
    @classmethod
    def every_key_once(cls, scenarios: list[ScenarioIn]) -> list[ScenarioIn]:
        keys = [scenario.key for scenario in scenarios]
        doubled = sorted({key for key in keys if keys.count(key) > 1})
        if doubled:
            raise ValueError(f"these keys occur more than once: {', '.join(doubled)}")
        return scenarios


def first_fault(error: ValidationError, *, of: str) -> str:
    """What is wrong first, and where, as a sentence: `scenarios.json at scenarios.0.title: Field required.`"""
    first = error.errors()[0]
    place = " at " + ".".join(map(str, first["loc"])) if first["loc"] else ""
    return f"{of}{place}: {first['msg'].removeprefix('Value error, ').removesuffix('.')}."


class ImportOut(Schema):
    created: int
    updated: int
    unchanged: int
