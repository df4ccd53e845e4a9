"""Persists a patient's answers as messages and metadata. `llm_conditions_check` is not stored."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from django.db.models import Model

from apps.chatlab.models import Message, MessageRole, record_message_event, store_message
from apps.chatlab.orca.mixins import ChatlabMixin
from apps.chatlab.orca.schemas import PatientInitialOutputSchema, PatientReplyOutputSchema
from apps.chatlab.orca.schemas.patient import PatientFact, PatientMessage
from apps.simulation.models import MetadataKind, Simulation, SimulationMetadata
from apps.simulation.models.events import reusing_events
from apps.simulation.orca.mixins import StandardizedPatientMixin
from apps.simulation.services.patient_metadata import Fact, store_facts, talked_of
from orchestration.clock import database_now
from orchestration.types import Response
from persistence.handlers import BasePersistenceHandler, persistence_handler


@persistence_handler
class PatientInitialPersistence(ChatlabMixin, StandardizedPatientMixin, BasePersistenceHandler):
    """The opening messages and who the patient is; the simulation is running afterwards.

    History that the opening states is not stored: it becomes known when the trainee asks for it.
    """

    schema = PatientInitialOutputSchema

    def persist(self, response: Response) -> list[Model]:
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        with reusing_events(self.replaced):
            messages = store_patient_messages(simulation, data.messages, response, replaced=self.replaced)
            facts = store_facts(simulation, talked_of(simulation, persons_facts(data)))
            simulation.begin()
        return [*messages, *facts]

    def update(self, response: Response, made: list[Model]) -> list[Model]:
        """Update messages and facts from the current answer."""
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        messages = update_patient_messages(simulation, data.messages, response, made)
        return [*messages, *store_news(simulation, persons_facts(data))]


@persistence_handler
class PatientReplyPersistence(ChatlabMixin, StandardizedPatientMixin, BasePersistenceHandler):
    """The messages of a reply, and what they tell about the patient; their question is now delivered."""

    schema = PatientReplyOutputSchema

    def persist(self, response: Response) -> list[Model]:
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        question_id = response.context.get("message_id")
        question = None if question_id is None else Message.objects.get(pk=question_id, simulation=simulation)
        with reusing_events(self.replaced):
            messages = store_patient_messages(
                simulation,
                data.messages,
                response,
                reply_to=question,
                image_requested=data.image_requested,
                replaced=self.replaced,
            )
            facts = store_facts(simulation, talked_of(simulation, facts_of(data.facts)))
            if question is not None and question.mark_delivered():
                return [*messages, *facts, question]
        return [*messages, *facts]

    def update(self, response: Response, made: list[Model]) -> list[Model]:
        """The reply's messages say what the answer says now, and so do its facts."""
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        messages = update_patient_messages(simulation, data.messages, response, made)
        return [*messages, *store_news(simulation, facts_of(data.facts))]


def facts_of(stated: Sequence[PatientFact]) -> list[Fact]:
    return [Fact(kind=MetadataKind(fact.kind), key=fact.key, value=fact.value) for fact in stated]


def persons_facts(data: PatientInitialOutputSchema) -> list[Fact]:
    """Who the patient is, without the history."""
    return [fact for fact in facts_of(data.metadata) if fact.kind == MetadataKind.DEMOGRAPHICS]


def store_news(simulation: Simulation, facts: Sequence[Fact]) -> list[SimulationMetadata]:
    """Those of the facts that are not stored yet as they are now."""
    known = {row.key: (row.kind, row.value) for row in simulation.metadata.all()}
    news = [fact for fact in talked_of(simulation, facts) if known.get(fact.key) != (fact.kind, fact.value)]
    return store_facts(simulation, news)


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

    `replaced` are deleted by now: their messages' places are taken.
    """
    before = in_order(replaced)[: len(said)]
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
            delivered_at=database_now(),
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
            record_message_event(message)
    reply_to = messages[0].reply_to if messages else None
    return messages + store_patient_messages(simulation, said[len(messages) :], response, reply_to=reply_to)


def in_order(made: Sequence[Model]) -> list[Message]:
    """The patient's messages among these, in their order."""
    said = [one for one in made if isinstance(one, Message) and one.role == MessageRole.ASSISTANT]
    return sorted(said, key=lambda message: message.sequence)
