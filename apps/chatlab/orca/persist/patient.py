"""A patient's answer becomes messages and metadata. `llm_conditions_check` is for the model and is not stored here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from django.db.models import Model
from django.utils import timezone

from apps.chatlab.models import Message, MessageRole, store_message, tell_message
from apps.chatlab.orca.mixins import ChatlabMixin
from apps.chatlab.orca.schemas import PatientInitialOutputSchema, PatientReplyOutputSchema
from apps.chatlab.orca.schemas.patient import PatientMessage
from apps.simulation.facts import Fact, store_facts
from apps.simulation.models import MetadataKind, Simulation, SimulationEvent
from apps.simulation.orca.mixins import StandardizedPatientMixin
from orchestration.types import Response
from persistence.handlers import BasePersistenceHandler, persistence_handler


@persistence_handler
class PatientInitialPersistence(ChatlabMixin, StandardizedPatientMixin, BasePersistenceHandler):
    """The opening messages and the patient's facts; the simulation is running from here on."""

    schema = PatientInitialOutputSchema

    def persist(self, response: Response) -> list[Model]:
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        messages = store_patient_messages(simulation, data.messages, response, replaced=self.replaced)
        facts = store_facts(simulation, facts_of(data))
        simulation.begin()
        return [*messages, *facts]

    def update(self, response: Response, made: list[Model]) -> list[Model]:
        """Messages and facts say what the answer says now."""
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        messages = update_patient_messages(simulation, data.messages, response, made)
        known = {row.key: (row.kind, row.value) for row in simulation.metadata.all()}
        news = [fact for fact in facts_of(data) if known.get(fact.key) != (fact.kind, fact.value)]
        return [*messages, *store_facts(simulation, news)]


@persistence_handler
class PatientReplyPersistence(ChatlabMixin, StandardizedPatientMixin, BasePersistenceHandler):
    """The reply's messages, in answer to the question that is now delivered."""

    schema = PatientReplyOutputSchema

    def persist(self, response: Response) -> list[Message]:
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        question_id = response.context.get("message_id")
        question = None if question_id is None else Message.objects.get(pk=question_id, simulation=simulation)
        messages = store_patient_messages(
            simulation,
            data.messages,
            response,
            reply_to=question,
            image_requested=data.image_requested,
            replaced=self.replaced,
        )
        if question is not None and question.mark_delivered():
            return [*messages, question]
        return messages

    def update(self, response: Response, made: list[Model]) -> list[Message]:
        """The reply's messages say what the answer says now."""
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        return update_patient_messages(simulation, data.messages, response, made)


def facts_of(data: PatientInitialOutputSchema) -> list[Fact]:
    return [Fact(kind=MetadataKind(fact.kind), key=fact.key, value=fact.value) for fact in data.metadata]


def store_patient_messages(
    simulation: Simulation,
    said: Sequence[PatientMessage],
    response: Response,
    *,
    reply_to: Message | None = None,
    image_requested: bool = False,
    replaced: Sequence[Model] = (),
) -> list[Message]:
    """What the patient said as the next messages of a `locked()` simulation, in order; the first shows the picture.

    `replaced` are deleted by now: their messages' places are taken, and what told of those is put back.
    """
    before = in_order(replaced)[: len(said)]
    put_back_events(replaced, before)
    return [
        store_message(
            simulation,
            instead_of=before[position] if position < len(before) else None,
            role=MessageRole.ASSISTANT,
            is_from_ai=True,
            content=message.text,
            reply_to=reply_to,
            call_id=response.call_id,
            provider_response_id=response.provider_response_id or "",
            delivered_at=timezone.now(),
            image_requested=image_requested and not position,
        )
        for position, message in enumerate(said)
    ]


def update_patient_messages(
    simulation: Simulation, said: Sequence[PatientMessage], response: Response, made: Sequence[Model]
) -> list[Message]:
    """Let the messages that were made say what the patient says now: more are added, and what is too many counts as
    deleted, so that no number is missing."""
    messages = in_order(made)
    for message, text in zip_longest(messages, [one.text for one in said[: len(messages)]]):
        now = (text if text is not None else message.content, text is None)
        if (message.content, message.is_deleted) != now:
            message.content, message.is_deleted = now
            message.save(update_fields=["content", "is_deleted"])
            tell_message(message)
    reply_to = messages[0].reply_to if messages else None
    return messages + store_patient_messages(simulation, said[len(messages) :], response, reply_to=reply_to)


def in_order(made: Sequence[Model]) -> list[Message]:
    """The patient's messages among these, in their order."""
    said = [one for one in made if isinstance(one, Message) and one.role == MessageRole.ASSISTANT]
    return sorted(said, key=lambda message: message.sequence)


def put_back_events(replaced: Sequence[Model], kept: Sequence[Message]) -> None:
    """The events of messages whose key and place are kept: who has seen one was told the truth."""
    keys = {message.pk for message in kept}
    for event in replaced:
        if isinstance(event, SimulationEvent) and event.data.get("id") in keys:
            event.save(force_insert=True)
