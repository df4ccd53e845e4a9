"""The examples of the source documents, with only their imports changed; the components are in tests/seedapp/orca."""

from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync

from orchestration.components.identity import Identity
from orchestration.components.lifecycle import get_current_app
from orchestration.components.registry import registry_for, services
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.testing import drain
from persistence.handlers.registry import resolve
from persistence.models import ObjectAction, ObjectRole, PersistedChunk, PersistedObject
from persistence.outbox.outcomes import Outcome
from persistence.tasks import process_pending_persistence
from persistence.testing import persist, stored_result
from tests.seedapp.models import (
    AIResponse,
    Encounter,
    Feedback,
    FeedbackMetric,
    Message,
    Observation,
    Result,
    Simulation,
)
from tests.seedapp.orca.codecs.documents import HotwashInitialCodec, PatientFeedbackCodec, encounter_saved
from tests.seedapp.orca.persist.patient import PatientInitialPersistence, PatientReplyPersistence
from tests.seedapp.orca.services import patient as documented

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

ENCOUNTER = {
    "metadata": {
        "started_at": "2026-03-01T10:00:00Z",
        "observations": [{"kind": "pulse", "value": "72"}, {"kind": "temperature", "value": "37.1"}],
    }
}
CHAT = {"messages": [{"role": "assistant", "content": [{"text": "It hurts here."}]}]}


@pytest.fixture
def simulation():
    return Simulation.objects.create(sim_patient_full_name="Ada Lovelace")


def result(service, data, simulation, **fields):
    """A stored result of a documented service about a simulation."""
    return stored_result(
        service.identity,
        service.wiring.schema,
        data,
        context={"simulation_id": simulation.pk},
        related_object=simulation,
        **fields,
    )


def summary_of(record):
    assert persist(record) is Outcome.PERSISTED, record.domain_persist_error
    return PersistedChunk.objects.get(call_id=record.pk).summary


class TestCodecs:
    def test_the_minimal_one(self, simulation):
        data = {"input": [{"role": "patient", "content": "Good morning."}]}
        summary = summary_of(result(documented.GenerateOpening, data, simulation))
        message = Message.objects.get()
        assert summary == {"message_id": message.pk}
        assert (message.simulation, message.role, message.text) == (simulation, "patient", "Good morning.")
        assert message.meta == {"identity": "seedapp.default.GenerateOpening"}

    def test_the_minimal_one_without_input(self, simulation):
        summary_of(result(documented.GenerateOpening, {"input": []}, simulation))
        assert Message.objects.get().text == ""

    def test_a_transaction_of_its_own(self, simulation):
        data = {"metadata": {"results": [{"key": "sodium", "value": "140"}, {"key": "potassium", "value": "4.1"}]}}
        assert summary_of(result(documented.GenerateResults, data, simulation)) == {"results_created": 2}
        assert dict(Result.objects.values_list("name", "value")) == {"sodium": "140", "potassium": "4.1"}

    def test_related_rows_in_bulk(self, simulation):
        summary = summary_of(result(documented.GenerateEncounter, ENCOUNTER, simulation))
        encounter = Encounter.objects.get()
        assert summary == {"encounter_id": encounter.pk, "obs_count": 2}
        assert Observation.objects.filter(encounter=encounter).count() == 2
        assert encounter.started_at.isoformat() == "2026-03-01T10:00:00+00:00"

    def test_deduplication_by_correlation(self, simulation):
        first = result(documented.GenerateSafe, {"note": "stable"}, simulation)
        again = result(documented.GenerateSafe, {"note": "stable"}, simulation, correlation_id=first.correlation_id)
        one, two = summary_of(first), summary_of(again)
        row = AIResponse.objects.get()
        assert one == {"ai_response_id": row.pk, "created": True}
        assert two == {"ai_response_id": row.pk, "created": False}
        assert (row.namespace, row.kind, row.name) == ("seedapp", "default", "GenerateSafe")
        assert row.payload == {"note": "stable"}

    def test_a_signal_of_its_own(self, simulation):
        heard = []

        def listen(**named):
            heard.append(named)

        encounter_saved.connect(listen)
        summary_of(result(documented.GenerateAnnouncedEncounter, ENCOUNTER, simulation))
        encounter_saved.disconnect(listen)
        assert [named["encounter"] for named in heard] == [Encounter.objects.get()]
        assert heard[0]["response"].simulation == simulation

    def test_from_end_to_end(self, simulation):
        data = {"summary": "Great job", "metrics": [{"key": "accuracy", "value": 0.9}]}
        summary = summary_of(result(documented.GeneratePatientFeedback, data, simulation))
        row = Feedback.objects.get()
        assert summary == {"feedback_id": row.pk, "metric_count": 1}
        assert FeedbackMetric.objects.get(feedback=row).value == 0.9

    def test_the_documents_own_test_calls_a_codec_directly(self, simulation):
        parsed = SimpleNamespace(summary="Great job", metrics=[SimpleNamespace(key="accuracy", value=0.9)])
        response = SimpleNamespace(simulation=simulation, identity_str="seedapp.standardized_patient.feedback")
        summary = PatientFeedbackCodec().persist(response=response, parsed=parsed)
        assert Feedback.objects.filter(id=summary["feedback_id"]).exists()

    def test_the_older_signature_without_the_base_class(self, simulation):
        record = result(documented.GenerateHotwashInitialResponse, {"overall_feedback": "Well done."}, simulation)
        assert summary_of(record) == {"feedback_id": Feedback.objects.get().pk}
        row = Feedback.objects.get()
        assert (row.simulation, row.summary) == (simulation, "Well done.")
        assert str(HotwashInitialCodec.identity) == "codecs.seedcore.feedback.HotwashInitialCodec"

    def test_a_codec_that_raises_half_way_leaves_nothing(self, simulation):
        record = result(documented.GenerateAnnouncedEncounter, ENCOUNTER, simulation)

        def refuse(**named):
            raise ValueError

        encounter_saved.connect(refuse)
        assert persist(record) is Outcome.FAILED
        encounter_saved.disconnect(refuse)
        assert not Encounter.objects.exists()
        assert not PersistedChunk.objects.exists()


class TestHandlers:
    @pytest.mark.parametrize("service", [documented.GeneratePatientInitial, documented.GeneratePatientReply])
    def test_a_message_is_made_and_linked(self, simulation, service, told, on_commit):
        record = result(service, CHAT, simulation)
        with on_commit():
            assert persist(record) is Outcome.PERSISTED
        message = Message.objects.get()
        assert (message.simulation, message.content) == (simulation, "It hurts here.")
        assert (message.role, message.is_from_ai) == ("assistant", True)
        assert PersistedChunk.objects.get().domain_object == message
        row = PersistedObject.objects.get()
        assert (row.domain_object, row.role, row.action) == (message, ObjectRole.PRIMARY, ObjectAction.CREATED)
        assert [signal["instance"] for signal in told.created] == [message]

    def test_identity_and_schema_are_as_documented(self):
        assert str(PatientInitialPersistence.identity) == (
            "persist.seedlab.standardized_patient.PatientInitialPersistence"
        )
        schema = "schemas.seedlab.standardized_patient.PatientInitialOutputSchema"
        assert resolve("seedlab", schema) is PatientInitialPersistence
        assert registry_for("persist").get(PatientReplyPersistence.identity) is PatientReplyPersistence

    def test_the_drain_takes_every_pending_result_and_counts(self, simulation):
        for service in (documented.GeneratePatientInitial, documented.GeneratePatientReply):
            result(service, CHAT, simulation)
        result(documented.GeneratePatientReply, {"messages": []}, simulation)
        assert process_pending_persistence() == {"claimed": 3, "processed": 2, "failed": 1, "skipped": 0}

    def test_called_directly_it_persists_once(self, simulation):
        response = result(documented.GeneratePatientReply, CHAT, simulation).response()

        async def twice():
            return [await PatientReplyPersistence().persist(response) for _ in range(2)]

        made, again = async_to_sync(twice)()
        assert made == again == Message.objects.get()


class TestFromTheCallToTheRow:
    def test_a_queued_call_becomes_a_message(self, simulation):
        service = documented.GeneratePatientReply.using(related_object=simulation)
        call = service.enqueue_now(simulation_id=simulation.pk)
        drain()
        record = ServiceCallRecord.objects.get(pk=call.id)
        assert record.domain_persist_state == PersistState.PERSISTED, (record.error, record.domain_persist_error)
        assert PersistedChunk.objects.get(call_id=record.pk).domain_object == Message.objects.get()

    def test_an_override_of_execute_becomes_feedback(self, simulation):
        call = documented.GenerateHotwashInitialResponse().enqueue_now(simulation_id=simulation.pk)
        drain()
        record = ServiceCallRecord.objects.get(pk=call.id)
        assert record.domain_persisted, record.domain_persist_error
        assert Feedback.objects.get().summary == f"You did well in {simulation.pk}."

    def test_the_registry_is_reached_as_documented(self):
        assert get_current_app().started
        identity = Identity.get("seedcore.feedback.GenerateHotwashInitialResponse", "services")
        assert services.get(identity) is documented.GenerateHotwashInitialResponse
