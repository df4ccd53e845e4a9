"""Handlers for results that are reprocessed: one that updates, one that splits, one whose schema moved on."""

from typing import Any

from orchestration.components import OutputSchema
from orchestration.decorators import schema, service
from orchestration.services import DjangoBaseService
from persistence.handlers import BasePersistenceHandler, Part, persistence_handler, upgrade
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import CONDUCT

PLAN = ("prompts.seedcore.default.PatientNameSection",)


@schema(version=3)
class MemoSchema(OutputSchema):
    """Version 1 had `body`, version 2 `text`, version 3 has a tone beside it."""

    text: str
    tone: str


@upgrade(MemoSchema, from_version=1)
def rename_body(data: dict[str, Any]) -> dict[str, Any]:
    return {"text": data["body"]}


@upgrade(MemoSchema, from_version=2)
def add_tone(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "tone": "plain"}


@schema
class ListSchema(OutputSchema):
    items: list[str]


@service
class GenerateMemo(DjangoBaseService):
    prompt_plan = PLAN


@service
class GenerateList(DjangoBaseService):
    prompt_plan = PLAN


@persistence_handler
class MemoPersistence(BasePersistenceHandler):
    schema = MemoSchema

    def persist(self, response):
        memo = self.schema.model_validate(response.structured_data)
        return Message.objects.create(role="memo", content=memo.text, meta={"tone": memo.tone})

    def update(self, response, made):
        memo, message = self.schema.model_validate(response.structured_data), made[0]
        message.content, message.meta = memo.text, {"tone": memo.tone}
        message.save()
        return message


@persistence_handler
class ListPersistence(BasePersistenceHandler):
    schema = ListSchema

    def split(self, response):
        return [Part(key=str(n), data={"item": item}) for n, item in enumerate(response.structured_data["items"])]

    def persist(self, response):
        item = response.structured_data["item"]
        if item in CONDUCT:
            CONDUCT[item]()
        return Message.objects.create(role=f"part {self.part}", content=item)
