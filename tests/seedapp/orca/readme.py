"""The example of README.md, as it stands there; a test compares the two and runs it."""

from dataclasses import dataclass

from orchestration.components import OutputSchema, PromptSection, as_data
from orchestration.decorators import prompt_section, schema, service
from orchestration.services import DjangoBaseService
from persistence.handlers import BasePersistenceHandler, persistence_handler
from tests.seedapp.models import Message


@schema(version=1)
class TicketAnswerSchema(OutputSchema):
    answer: str
    urgent: bool


@prompt_section
@dataclass
class TicketAnswerSection(PromptSection):
    async def render_instruction(self, **ctx):
        return "You answer support tickets in one friendly paragraph."

    async def render_message(self, *, ticket, **ctx):
        return as_data(ticket, "ticket")


@service  # schema and prompt are found by name: all three align on TicketAnswer
class GenerateTicketAnswer(DjangoBaseService):
    required_context_keys = ("ticket",)


@persistence_handler
class TicketAnswerPersistence(BasePersistenceHandler):
    schema = TicketAnswerSchema

    def persist(self, response):
        data = self.schema.model_validate(response.structured_data)
        return Message.objects.create(role="assistant", text=data.answer, meta={"urgent": data.urgent})
