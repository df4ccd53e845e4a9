"""The services that the benchmarks run: a small prompt, a small schema; one without a handler, one with."""

from dataclasses import dataclass
from typing import Any

from benchmarks.models import TriagedTicket
from orchestration.components import OutputSchema, PromptSection
from orchestration.decorators import prompt_section, schema, service
from orchestration.services import DjangoBaseService
from orchestration.types import Response
from persistence.handlers import BasePersistenceHandler, persistence_handler


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


@service
class TriageAloud(DjangoBaseService):
    """The same as a stream."""

    required_context_keys = ("ticket",)
    schema = TriageOutputSchema
    prompt_plan = (TriageSection,)
    stream = "reason"


@schema
class TriageRowOutputSchema(TriageOutputSchema):
    pass


@prompt_section
@dataclass
class TriageRowSection(TriageSection):
    pass


@service
class TriageRow(DjangoBaseService):
    required_context_keys = ("ticket",)


@persistence_handler
class TriageRowPersistence(BasePersistenceHandler):
    schema = TriageRowOutputSchema

    def persist(self, response: Response) -> TriagedTicket:
        data = self.schema.model_validate(response.structured_data)
        return TriagedTicket.objects.create(ticket=response.context["ticket"], urgency=data.urgency, team=data.team)
