"""Persists test results as metadata and as a message that everybody sees."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Model

from apps.chatlab.models import Message, MessageRole, MessageType, record_message_event, store_message
from apps.chatlab.orca.mixins import ChatlabMixin
from apps.chatlab.orca.persist.reported_results import Report, report
from apps.chatlab.orca.schemas import PatientResultsOutputSchema
from apps.simulation.models import Simulation
from apps.simulation.models.cases import findings_of
from apps.simulation.models.events import reusing_events
from apps.simulation.orca.mixins import StandardizedPatientMixin
from apps.simulation.services.patient_metadata import Fact, store_facts, under_known_names
from orchestration.clock import database_now
from orchestration.types import Response
from persistence.handlers import BasePersistenceHandler, persistence_handler


@persistence_handler
class PatientResultsPersistence(ChatlabMixin, StandardizedPatientMixin, BasePersistenceHandler):
    """Findings that the author of the case fixed take precedence over the model's results."""

    schema = PatientResultsOutputSchema

    def persist(self, response: Response) -> list[Model]:
        simulation, order, found = self._found(response)
        before = results_among(self.replaced)
        with reusing_events(self.replaced):
            message = store_message(
                simulation,
                instead_of=before[0] if before else None,
                role=MessageRole.SYSTEM,
                is_from_ai=True,
                message_type=MessageType.RESULTS,
                content=found.content(),
                data=found.data(),
                reply_to=order,
                call_id=response.call_id,
                provider_response_id=response.provider_response_id or "",
                delivered_at=database_now(),
            )
            facts = store_facts(simulation, map(Fact.of, found.findings))
            if order.mark_delivered():
                return [message, *facts, order]
        return [message, *facts]

    def update(self, response: Response, made: list[Model]) -> list[Model]:
        """Update message and metadata from the current answer."""
        simulation, _, found = self._found(response)
        messages = results_among(made)
        for message in messages:
            if (message.content, message.data) != (found.content(), found.data()):
                message.content, message.data = found.content(), found.data()
                message.save(update_fields=["content", "data"])
                record_message_event(message)
        known = {row.key: (row.kind, row.value, row.extra) for row in simulation.metadata.all()}
        facts = map(Fact.of, found.findings)
        news = [fact for fact in facts if known.get(fact.key) != (fact.kind, fact.value, fact.extra)]
        return [*messages, *store_facts(simulation, news)]

    def _found(self, response: Response) -> tuple[Simulation, Message, Report]:
        """The simulation, locked, the order, and what is to be reported on it."""
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        order = Message.objects.get(pk=response.context["message_id"], simulation=simulation)
        found = report(data.results, findings_of(simulation.findings), order.content.splitlines())
        found.findings = under_known_names(simulation, found.findings)
        return simulation, order, found


def results_among(made: Sequence[Model]) -> list[Message]:
    return [one for one in made if isinstance(one, Message) and one.message_type == MessageType.RESULTS]
