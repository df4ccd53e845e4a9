"""A service, the schema of its answer, its prompt, and the handler that makes the answer a row."""

from dataclasses import dataclass

from orchestration.components import OutputSchema, PromptSection, as_data
from orchestration.decorators import prompt_section, schema, service
from orchestration.services import DjangoBaseService
from persistence.handlers import BasePersistenceHandler, persistence_handler
from tests.stranger.models import TicketAnswer


@schema(version=1)
class TicketAnswerSchema(OutputSchema):
    text: str
    urgent: bool


@prompt_section
@dataclass
class TicketAnswerSection(PromptSection):
    async def render_instruction(self, **ctx):
        return "Answer the question in one friendly paragraph."

    async def render_message(self, *, question, **ctx):
        return as_data(question, "question")


@service
class GenerateTicketAnswer(DjangoBaseService):
    required_context_keys = ("question",)


@persistence_handler
class TicketAnswerPersistence(BasePersistenceHandler):
    schema = TicketAnswerSchema

    def persist(self, response):
        data = self.schema.model_validate(response.structured_data)
        if data.text == "unwanted":
            raise ValueError("Nobody wants this answer.")
        asked_by = response.context.get("person")
        return TicketAnswer.objects.create(text=data.text, urgent=data.urgent, asked_by_id=asked_by)
