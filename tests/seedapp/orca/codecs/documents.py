"""The codecs of the source documents, one per example."""

from django.db import transaction
from django.dispatch import Signal

from persistence.handlers import DjangoBaseCodec, codec
from tests.seedapp.models import AIResponse, Encounter, Feedback, FeedbackMetric, Message, Observation, Result
from tests.seedapp.orca.mixins import FeedbackMixin, SimcoreMixin


@codec
class OpeningCodec(DjangoBaseCodec):
    """The minimal one: a message from the first input item."""

    def persist(self, *, response, parsed) -> dict:
        first = parsed.input[0].content if parsed.input else ""
        row = Message.objects.create(
            simulation=response.simulation, role="patient", text=first, meta={"identity": response.identity_str}
        )
        return {"message_id": row.id}


@codec
class ResultsCodec(DjangoBaseCodec):
    """Opens a transaction of its own."""

    def persist(self, *, response, parsed) -> dict:
        count = 0
        with transaction.atomic():
            for item in parsed.metadata.results:
                Result.objects.create(simulation=response.simulation, name=item.key, value=item.value)
                count += 1
        return {"results_created": count}


@codec
class EncounterCodec(DjangoBaseCodec):
    """Related rows, in bulk."""

    def persist(self, *, response, parsed) -> dict:
        found = parsed.metadata.observations
        encounter = Encounter.objects.create(
            simulation=response.simulation, started_at=parsed.metadata.started_at, identity=response.identity_str
        )
        Observation.objects.bulk_create([Observation(encounter=encounter, kind=o.kind, value=o.value) for o in found])
        return {"encounter_id": encounter.id, "obs_count": len(found)}


encounter_saved = Signal()


@codec(group="announced")
class AnnouncedEncounterCodec(DjangoBaseCodec):
    """Sends a signal of its own."""

    def persist(self, *, response, parsed) -> dict:
        encounter = Encounter.objects.create(
            simulation=response.simulation, started_at=parsed.metadata.started_at, identity=response.identity_str
        )
        encounter_saved.send(sender=self.__class__, encounter=encounter, response=response)
        return {"encounter_id": encounter.id}


@codec
class SafeCodec(DjangoBaseCodec):
    """Deduplicates by the correlation of the request."""

    def persist(self, *, response, parsed) -> dict:
        with transaction.atomic():
            row, created = AIResponse.objects.get_or_create(
                correlation_id=response.request_correlation_id,
                defaults={
                    "simulation": response.simulation,
                    "namespace": response.namespace,
                    "kind": response.kind,
                    "name": response.name,
                    "payload": parsed.model_dump(),
                },
            )
        return {"ai_response_id": row.id, "created": created}


@codec
class PatientFeedbackCodec(DjangoBaseCodec):
    """From end to end: a row with its metrics."""

    def persist(self, *, response, parsed) -> dict:
        with transaction.atomic():
            row = Feedback.objects.create(
                simulation=response.simulation, summary=parsed.summary, identity=response.identity_str
            )
            FeedbackMetric.objects.bulk_create(
                [FeedbackMetric(feedback=row, name=m.key, value=m.value) for m in parsed.metrics]
            )
        return {"feedback_id": row.id, "metric_count": len(parsed.metrics)}


@codec
class HotwashInitialCodec(SimcoreMixin, FeedbackMixin):
    """The older signature, without the base class."""

    async def persist(self, data: dict, **context):
        row = await Feedback.objects.acreate(
            simulation_id=context["simulation_id"],
            summary=data["overall_feedback"],
            identity=context["response"].identity_str,
        )
        return {"feedback_id": row.id}
