"""Services whose answers are streamed."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from orchestration.components import OutputSchema
from orchestration.decorators import schema, service, tool
from orchestration.services import DjangoBaseService
from tests.engineapp.orca.services.triage import TriageSection


class Line(BaseModel):
    text: str


@schema
class LinesOutputSchema(OutputSchema):
    mood: str
    lines: Annotated[list[Line], Field(min_length=1, max_length=3)]
    rating: Annotated[int, Field(ge=1, le=5)]


@tool
def ask_around(name: str) -> str:
    """Asks others."""
    return f"{name} knows."


@service
class Speaks(DjangoBaseService):
    """In free text."""

    prompt_plan = (TriageSection,)
    required_context_keys = ("ticket",)
    stream = True


@service
class SpeaksInShape(DjangoBaseService):
    """Its lines are streamed out of JSON."""

    schema = LinesOutputSchema
    prompt_plan = (TriageSection,)
    required_context_keys = ("ticket",)
    stream = "lines[].text"


@service
class SpeaksWithTools(DjangoBaseService):
    """Says something between its tools."""

    prompt_plan = (TriageSection,)
    required_context_keys = ("ticket",)
    tools = (ask_around,)
    stream = True
