"""The service that the benchmarks run: a small prompt, a small schema, no handler."""

from dataclasses import dataclass
from typing import Any

from orchestration.decorators import prompt_section, schema, service
from orchestration.prompts import PromptSection
from orchestration.schemas import OutputSchema
from orchestration.services import DjangoBaseService


@schema
class TriageOutputSchema(OutputSchema):
    urgency: int
    team: str
    reason: str


@prompt_section
@dataclass
class TriageSection(PromptSection):
    async def render_instruction(self, **ctx: Any) -> str:
        return "You triage support tickets. Judge the urgency from 0 to 9 and name the team. " * 4

    async def render_message(self, **ctx: Any) -> str:
        return f"Ticket {ctx['ticket']}: the export button does nothing since this morning's release. " * 4


@service
class Triage(DjangoBaseService):
    required_context_keys = ("ticket",)
