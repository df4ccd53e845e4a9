"""Services whose messages have images, audio and files."""

from __future__ import annotations

from typing import Any

from orchestration.components import PromptSection
from orchestration.content import image
from orchestration.decorators import prompt_section, service, tool
from orchestration.services import DjangoBaseService
from tests.engineapp.orca.services.triage import TriageOutputSchema

scans: list[bytes] = []
"""What the tool finds."""
shown: list[Any] = []
"""What the section shows, besides what the context has."""


@tool
async def scan(number: int) -> list[Any]:
    """Scan a page."""
    return [f"Page {number}:", await image(scans[number], name=f"page {number}.png")]


@prompt_section
class ShownPrompt(PromptSection):
    async def render_instruction(self, **ctx: Any) -> str:
        return "Read what you are shown."

    async def render_message(self, **ctx: Any) -> Any:
        return ["Look:", *ctx.get("shown", ()), *shown]


@prompt_section
class AskedPrompt(PromptSection):
    weight = 50

    async def render_message(self, **ctx: Any) -> str:
        return "How urgent is it?"


@service
class Looks(DjangoBaseService):
    """Answers by a schema."""

    prompt_plan = (ShownPrompt, AskedPrompt)
    schema = TriageOutputSchema


@service
class Scans(DjangoBaseService):
    """Asks a tool for pictures."""

    prompt_plan = (AskedPrompt,)
    tools = (scan,)


@service
class SaysWhatItSees(DjangoBaseService):
    """Asks a tool for pictures, and streams what it makes of them."""

    prompt_plan = (ShownPrompt, AskedPrompt)
    tools = (scan,)
    stream = True
