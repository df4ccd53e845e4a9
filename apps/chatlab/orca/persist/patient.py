"""A patient's answer becomes messages and metadata. `llm_conditions_check` is for the model and is not stored here."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from apps.chatlab.models import Message, MessageRole, store_message
from apps.chatlab.orca.mixins import ChatlabMixin
from apps.chatlab.orca.schemas import PatientInitialOutputSchema, PatientReplyOutputSchema
from apps.chatlab.orca.schemas.patient import PatientFact, PatientMessage
from apps.simulation.models import Simulation, SimulationMetadata
from apps.simulation.orca.mixins import StandardizedPatientMixin
from orchestration.types import Response
from persistence.handlers import BasePersistenceHandler, persistence_handler


@persistence_handler
class PatientInitialPersistence(ChatlabMixin, StandardizedPatientMixin, BasePersistenceHandler):
    """The opening messages and the patient's facts; the simulation is running from here on."""

    schema = PatientInitialOutputSchema

    def persist(self, response: Response) -> Message:
        chunk, created = self.ensure_idempotent_now(response)
        if not created and isinstance(chunk.domain_object, Message):
            return chunk.domain_object
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        messages = store_patient_messages(simulation, data.messages, response)
        facts = store_facts(simulation, data.metadata)
        simulation.begin()
        self.link(chunk, messages[0], *messages[1:], *facts)
        return messages[0]


@persistence_handler
class PatientReplyPersistence(ChatlabMixin, StandardizedPatientMixin, BasePersistenceHandler):
    """The reply's messages, in answer to the question that is now delivered."""

    schema = PatientReplyOutputSchema

    def persist(self, response: Response) -> Message:
        chunk, created = self.ensure_idempotent_now(response)
        if not created and isinstance(chunk.domain_object, Message):
            return chunk.domain_object
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        question_id = response.context.get("message_id")
        question = None if question_id is None else Message.objects.get(pk=question_id, simulation=simulation)
        messages = store_patient_messages(simulation, data.messages, response, reply_to=question)
        self.link(chunk, messages[0], *messages[1:])
        if question is not None and question.mark_delivered():
            self.link(chunk, question, created=False)
        return messages[0]


def store_patient_messages(
    simulation: Simulation, said: Sequence[PatientMessage], response: Response, *, reply_to: Message | None = None
) -> list[Message]:
    """What the patient said as the next messages of a `locked()` simulation, in order."""
    return [
        store_message(
            simulation,
            role=MessageRole.ASSISTANT,
            is_from_ai=True,
            content=message.text,
            reply_to=reply_to,
            call_id=response.call_id,
            provider_response_id=response.provider_response_id or "",
            delivered_at=timezone.now(),
        )
        for message in said
    ]


def store_facts(simulation: Simulation, facts: Sequence[PatientFact]) -> list[SimulationMetadata]:
    """Insert or update metadata by (simulation, key), the last of a repeated key counting; refreshes the checksum.

    Safe without upserts, because the simulation is `locked()`; row by row, so that each counts as created or updated.
    """
    latest = {fact.key: fact for fact in facts}
    known = {row.key: row for row in simulation.metadata.filter(key__in=latest)}
    rows = [known.get(key) or SimulationMetadata(simulation=simulation, key=key) for key in latest]
    for row in rows:
        row.kind, row.value = latest[row.key].kind, latest[row.key].value
        row.save()
    if rows:
        simulation.refresh_metadata_checksum()
    return rows
