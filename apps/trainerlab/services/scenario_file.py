"""The format of scenarios in requests and in exported files."""

from __future__ import annotations

from typing import Annotated

from ninja import Schema
from pydantic import Field, field_validator

from apps.simulation.api.schemas import CaseIn
from apps.simulation.fields import Line, Text
from orchestration.api.schemas import RequestSchema


class ScenarioIn(CaseIn):
    """A whole scenario; `key` is the short name by which imports find it."""

    key: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[-a-zA-Z0-9_]+$", examples=["appendicitis-1"])]
    title: Annotated[Line, Field(min_length=1, max_length=150, examples=["Belly pain in a young baker"])]
    summary: Annotated[Text, Field(max_length=4000)] = ""
    diagnosis: Annotated[Line, Field(min_length=1, max_length=255, examples=["acute appendicitis"])]
    is_open: bool = False


class ScenarioFile(RequestSchema):
    """An exported file of scenarios; every key once."""

    scenarios: Annotated[list[ScenarioIn], Field(max_length=500)]

    @field_validator("scenarios")
    @classmethod
    def every_key_once(cls, scenarios: list[ScenarioIn]) -> list[ScenarioIn]:
        keys = [scenario.key for scenario in scenarios]
        doubled = sorted({key for key in keys if keys.count(key) > 1})
        if doubled:
            raise ValueError(f"these keys occur more than once: {', '.join(doubled)}")
        return scenarios


class ImportOut(Schema):
    created: int
    updated: int
    unchanged: int
