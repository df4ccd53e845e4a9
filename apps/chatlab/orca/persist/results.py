"""Results become metadata with unit, reference range and flag, and a message that everybody reads."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Model
from django.utils import timezone

from apps.chatlab.models import Message, MessageRole, MessageType, store_message, tell_message
from apps.chatlab.orca.mixins import ChatlabMixin
from apps.chatlab.orca.persist.patient import put_back_events
from apps.chatlab.orca.schemas import PatientResultsOutputSchema
from apps.chatlab.orca.schemas.results import TestResult
from apps.simulation.cases import Finding, findings_of
from apps.simulation.facts import Fact, store_facts
from apps.simulation.models import Simulation
from apps.simulation.orca.mixins import StandardizedPatientMixin
from orchestration.plain_text import without_controls
from orchestration.types import Response
from persistence.handlers import BasePersistenceHandler, persistence_handler


@persistence_handler
class PatientResultsPersistence(ChatlabMixin, StandardizedPatientMixin, BasePersistenceHandler):
    """What the author of the case fixed stands, whatever the model made of it."""

    schema = PatientResultsOutputSchema

    def persist(self, response: Response) -> list[Model]:
        simulation, order, found = self._found(response)
        before = results_among(self.replaced)
        put_back_events(self.replaced, before)
        message = store_message(
            simulation,
            instead_of=before[0] if before else None,
            role=MessageRole.SYSTEM,
            is_from_ai=True,
            message_type=MessageType.RESULTS,
            content=in_lines(found),
            reply_to=order,
            call_id=response.call_id,
            provider_response_id=response.provider_response_id or "",
            delivered_at=timezone.now(),
        )
        facts = store_facts(simulation, map(Fact.of, found))
        if order.mark_delivered():
            return [message, *facts, order]
        return [message, *facts]

    def update(self, response: Response, made: list[Model]) -> list[Model]:
        """Message and metadata say what the answer says now."""
        simulation, _, found = self._found(response)
        messages = results_among(made)
        for message in messages:
            if message.content != in_lines(found):
                message.content = in_lines(found)
                message.save(update_fields=["content"])
                tell_message(message)
        known = {row.key: (row.kind, row.value, row.extra) for row in simulation.metadata.all()}
        facts = map(Fact.of, found)
        news = [fact for fact in facts if known.get(fact.key) != (fact.kind, fact.value, fact.extra)]
        return [*messages, *store_facts(simulation, news)]

    def _found(self, response: Response) -> tuple[Simulation, Message, list[Finding]]:
        """The simulation, locked, the order, and what is to be reported on it."""
        data = self.schema.model_validate(response.structured_data)
        simulation = Simulation.objects.locked(response.context["simulation_id"])
        order = Message.objects.get(pk=response.context["message_id"], simulation=simulation)
        return simulation, order, reported(data.results, findings_of(simulation.findings), order.content.splitlines())


def in_lines(found: Sequence[Finding]) -> str:
    return "\n".join(finding.line() for finding in found)


def results_among(made: Sequence[Model]) -> list[Message]:
    return [one for one in made if isinstance(one, Message) and one.message_type == MessageType.RESULTS]


def reported(results: Sequence[TestResult], fixed: Sequence[Finding], ordered: Sequence[str]) -> list[Finding]:
    """The model's results with the fixed findings in their place, and those fixed ones that it left out although
    they were ordered by name."""
    by_key = {finding.key.casefold(): finding for finding in fixed}
    found = {}
    for result in results:
        finding = by_key.get(result.key.casefold()) or as_finding(result)
        found[finding.key.casefold()] = finding
    for name in ordered:
        key = name.strip().casefold()
        if key in by_key:
            found.setdefault(key, by_key[key])
    return list(found.values())


def as_finding(result: TestResult) -> Finding:
    """Without validating again: a long report is shortened, not refused, once it has been paid for."""
    return Finding.model_construct(
        kind=result.kind,
        key=result.key,
        value=result.value,
        unit=_line(result.unit, 32),
        reference_range=_line(result.reference_range, 64),
        flag=result.flag,
    )


def _line(text: str, longest: int) -> str:
    return " ".join(without_controls(text).split())[:longest]
