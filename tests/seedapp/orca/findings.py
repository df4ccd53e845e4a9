"""A document and a picture become rows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from orchestration.components import OutputSchema, PromptSection
from orchestration.decorators import prompt_section, schema, service
from orchestration.services import DjangoBaseService
from persistence.handlers import BasePersistenceHandler, persistence_handler
from tests.seedapp.models import Message


@schema
class FindingsOutputSchema(OutputSchema):
    title: str
    lines: Annotated[list[str], Field(min_length=2, max_length=5)]


@prompt_section
class FindingsSection(PromptSection):
    async def render_message(self, **ctx: Any) -> list[Any]:
        return ["What do these say?", *ctx["documents"]]


@service
class GenerateFindings(DjangoBaseService):
    required_context_keys = ("documents",)
    prompt_plan = (FindingsSection,)


@persistence_handler
class FindingsPersistence(BasePersistenceHandler):
    schema = FindingsOutputSchema

    def persist(self, response: Any) -> list[Message]:
        data = response.structured_data
        return [Message.objects.create(role=data["title"][:64], content=line) for line in data["lines"]]
