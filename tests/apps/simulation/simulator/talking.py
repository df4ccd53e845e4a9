"""A conversation with a simulated patient of the demo, by the product's prompts and schema, without a worker."""

from __future__ import annotations

import hashlib
from typing import Any

from asgiref.sync import async_to_sync

from apps.chatlab.models import Message, MessageRole, MessageType, store_message
from apps.chatlab.orca.schemas import PatientReplyOutputSchema
from apps.chatlab.orca.services import GeneratePatientReply
from apps.simulation.models import Simulation
from apps.simulation.services.patient_metadata import authors_facts, store_facts
from apps.simulation.simulator.patient import patient
from orchestration.components.prompts import as_data, render_plan
from orchestration.providers.simulator.schema_values import value_for
from tests.apps.people import person

PLACE = "QUESTION"
NOT_COLUMNS = frozenset({"key", "title", "summary", "time_limit_minutes"})


class Talk:
    """One simulation of a case. `ask` stores question and answer; `facts` and `shows` are of the last answer."""

    def __init__(self, case: dict[str, Any], **changes: Any) -> None:
        columns = {name: value for name, value in case.items() if name not in NOT_COLUMNS}
        self.simulation = Simulation.objects.create(user=person(), **{**columns, **changes})
        store_facts(self.simulation, authors_facts(self.simulation))
        self.facts: dict[str, str] = {}
        self.shows = False

    def ask(self, question: str) -> str:
        message = store_message(self.simulation, role=MessageRole.USER, content=question, delivery_status="pending")
        prompt = async_to_sync(render_plan)(
            GeneratePatientReply.wiring.sections, {"simulation_id": self.simulation.pk, "message_id": message.pk}
        )
        reply = replied([part["content"] for part in prompt.messages])
        self.facts = {fact.key: fact.value for fact in reply.facts}
        self.shows = reply.image_requested
        Message.objects.filter(pk=message.pk).update(delivery_status="delivered")
        for said in reply.messages:
            store_message(self.simulation, role=MessageRole.ASSISTANT, content=said.text)
        return " ".join(said.text for said in reply.messages)

    def happens(self, text: str) -> None:
        store_message(self.simulation, role=MessageRole.SYSTEM, message_type=MessageType.EVENT, content=text)


def replied(texts: list[str]) -> PatientReplyOutputSchema:
    """The reply to a prompt."""
    made = value_for(
        PatientReplyOutputSchema.strict.json_schema,
        seed=hashlib.blake2b(texts[-1].encode(), digest_size=8).digest(),
        message=texts[-1],
        texts=texts,
        responders=(patient,),
    )
    return PatientReplyOutputSchema.model_validate(made)


class Strangers:
    """Asks each question as the first of a conversation; the database is read once."""

    def __init__(self, case: dict[str, Any]) -> None:
        simulation = Talk(case).simulation
        message = store_message(simulation, role=MessageRole.USER, content=PLACE, delivery_status="pending")
        prompt = async_to_sync(render_plan)(
            GeneratePatientReply.wiring.sections, {"simulation_id": simulation.pk, "message_id": message.pk}
        )
        self._texts = [part["content"] for part in prompt.messages]

    def ask(self, question: str) -> str:
        reply = replied(
            [
                text.replace(as_data(PLACE, "trainee_message"), as_data(question, "trainee_message"))
                for text in self._texts
            ]
        )
        return " ".join(said.text for said in reply.messages)
