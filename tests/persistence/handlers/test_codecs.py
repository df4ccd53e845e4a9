"""Codecs: what they are given, what they may return, and what `@codec` accepts."""

import uuid
from datetime import UTC, datetime

import pytest

from orchestration.components import registry
from persistence.errors import CodecDefinitionError
from persistence.handlers.codecs import DjangoBaseCodec, codec
from persistence.models import ObjectRole, PersistedChunk, PersistedObject
from persistence.outbox.outcomes import Outcome
from persistence.testing import persist, stored_result
from tests.persistence.results import async_digest, digest
from tests.seedapp.models import Feedback, Message, Simulation
from tests.seedapp.orca.persist.behaviours import DigestCodec, DigestSchema
from tests.seedapp.orca.services.patient import GenerateHotwashInitialResponse

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def keep(response, parsed):
    assert type(parsed) is DigestSchema
    return {"message_id": Message.objects.create(role="assistant", content=parsed.text).pk}


async def keep_async(response, parsed):
    message = await Message.objects.acreate(role="assistant", content=parsed.text)
    return {"message_id": message.pk}


@pytest.mark.parametrize("make", [lambda: digest(keep), lambda: async_digest(keep_async)])
def test_a_codec_gets_the_parsed_answer_and_its_summary_is_kept(make):
    """The summary is stored with the chunk."""
    record = make()
    assert persist(record) is Outcome.PERSISTED
    message = Message.objects.get()
    assert message.content == "hello"
    assert PersistedChunk.objects.get().summary == {"message_id": message.pk}


def test_the_chunk_of_a_codec_names_it_and_has_no_primary_object():
    persist(digest(keep))
    chunk = PersistedChunk.objects.get()
    assert chunk.handler_identity == "codecs.seedapp.default.DigestCodec"
    assert chunk.handler_fingerprint == DigestCodec.fingerprint
    assert chunk.object_id is None
    row = PersistedObject.objects.get()
    assert row.domain_object == Message.objects.get()
    assert row.role == ObjectRole.RELATED


@pytest.mark.parametrize("empty", [None, {}])
def test_a_codec_may_return_nothing(empty):
    assert persist(digest(lambda response, parsed: empty)) is Outcome.PERSISTED
    assert PersistedChunk.objects.get().summary == empty


@pytest.mark.parametrize(
    ("make_summary", "told"),
    [
        (lambda: {"rows": [{"message": Message.objects.create()}]}, "summary.rows[0].message is a Message"),
        (lambda: {"at": datetime.now(UTC)}, "summary.at is a datetime"),
        (lambda: {"id": uuid.uuid4()}, "summary.id is a UUID"),
        (lambda: {"rows": Message.objects.all()}, "summary.rows is a QuerySet"),
        (lambda: {1: "one"}, "summary has the key 1"),
        (lambda: {"share": float("nan")}, "summary.share is nan"),
        (lambda: [1], "returned a list"),
        (lambda: Message.objects.create(), "returned a Message"),
    ],
)
def test_a_summary_that_is_not_json_fails_and_names_the_path(make_summary, told):
    record = digest(lambda response, parsed: make_summary())
    assert persist(record) is Outcome.FAILED
    assert record.domain_persist_error.startswith("InvalidSummary: codecs.seedapp.default.DigestCodec ")
    assert told in record.domain_persist_error
    assert not Message.objects.exists()
    assert not PersistedChunk.objects.exists()


def test_a_stored_result_of_an_unknown_schema_fails_and_names_it():
    record = digest(keep)
    record.result["execution_metadata"]["schema_identity"] = "schemas.seedapp.default.Gone"
    record.save()
    assert persist(record) is Outcome.FAILED
    assert "schemas.seedapp.default.Gone, which is not registered" in record.domain_persist_error


def test_a_result_its_schema_no_longer_accepts_fails_with_paths():
    record = digest(keep, data={"txt": "secret"})
    assert persist(record) is Outcome.FAILED
    assert "text: missing; <key>: extra_forbidden" in record.domain_persist_error
    assert "secret" not in record.domain_persist_error


def test_a_context_key_may_have_the_name_of_the_codecs_parameter():
    simulation = Simulation.objects.create(sim_patient_full_name="Ada")
    service = GenerateHotwashInitialResponse
    record = stored_result(
        service.identity,
        service.wiring.schema,
        {"overall_feedback": "fine"},
        context={"simulation_id": simulation.pk, "data": "mine", "self": "me"},
    )
    assert persist(record) is Outcome.PERSISTED
    assert Feedback.objects.get().summary == "fine"


@pytest.fixture
def empty_registries():
    with registry.empty_registries():
        yield


@pytest.mark.usefixtures("empty_registries")
class TestDecorator:
    def test_it_registers_under_the_given_parts(self):
        @codec(namespace="lab", group="blood", name="Count")
        class AnyCodec(DjangoBaseCodec):
            def persist(self, *, response, parsed):
                return None

        assert str(AnyCodec.identity) == "codecs.lab.blood.Count"
        assert registry.registry_for("codecs").get("lab.blood.Count") is AnyCodec

    def test_a_class_without_the_base_is_welcome_when_it_persists(self):
        @codec(namespace="lab")
        class Plain:
            def persist(self, data, **context):
                return None

        assert Plain.data_parameter == "data"
        assert Plain.is_async is False

    def test_without_persist_it_is_refused(self):
        with pytest.raises(CodecDefinitionError, match=r"Empty .*defines no `persist"):

            @codec(namespace="lab")
            class Empty(DjangoBaseCodec):
                pass

    def test_another_signature_is_refused_and_shown(self):
        with pytest.raises(TypeError, match=r"not \(self, response, strange\)"):

            @codec(namespace="lab")
            class Odd(DjangoBaseCodec):
                def persist(self, response, strange):
                    return None

    def test_an_instance_is_refused(self):
        with pytest.raises(CodecDefinitionError, match="for classes"):
            codec(object())
