"""Rows with keys of several columns, and with long ones."""

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError

from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.errors import InvalidCall
from orchestration.models import ServiceCallRecord
from orchestration.values.generic_refs import key_from, key_text
from persistence.models import PersistedChunk, PersistedObject
from persistence.outbox.outcomes import Outcome
from persistence.provenance import call_for, objects_for
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, dry_run, reprocess, revert
from persistence.reprocessing.rerun import compare
from persistence.testing import persist
from tests.persistence.reprocessing.test_reprocess import memo
from tests.persistence.results import async_note, note
from tests.seedapp.models import Document, Line, Message, Simulation, Tally
from tests.seedapp.orca.persist.reprocessed import MemoPersistence

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def simulation():
    return Simulation.objects.create(sim_patient_full_name="Ada")


def test_composite_keys_are_persisted_linked_found_and_reverted(simulation):
    def lines(handler, response):
        chunk, _ = handler.ensure_idempotent_now(response)
        first = Line.objects.create(simulation=simulation, position=1, text="one")
        handler.link(chunk, first)
        return Line.objects.bulk_create([Line(simulation=simulation, position=n) for n in (2, 3)])

    record = note(lines)
    shown = dry_run(record.pk)
    assert shown.counts == {"created": 3}
    assert shown.as_json()["parts"][0]["changes"][0]["id"] == f'["{simulation.pk}", "1"]'
    assert persist(record) is Outcome.PERSISTED
    chunk = PersistedChunk.objects.get()
    assert chunk.object_id == f'["{simulation.pk}", "1"]'
    assert chunk.domain_object == Line.objects.get(position=1)
    rows = PersistedObject.objects.prefetch_related("domain_object")
    assert {row.domain_object.position for row in rows} == {1, 2, 3}
    assert call_for(Line.objects.get(position=2)) == record
    assert {found.object.position for found in objects_for(record)} == {1, 2, 3}
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert not Line.objects.exists()


def test_an_asynchronous_handler_makes_rows_with_composite_keys(simulation):
    async def lines(handler, response):
        return await Line.objects.acreate(simulation=simulation, position=1)

    assert persist(async_note(lines)) is Outcome.PERSISTED
    assert PersistedChunk.objects.get().domain_object == Line.objects.get()


def test_changed_or_deleted_rows_with_composite_keys_come_back(simulation):
    kept = Line.objects.create(simulation=simulation, position=1, text="one")
    Line.objects.create(simulation=simulation, position=2, text="two")
    Line.objects.create(simulation=simulation, position=3, text="three")
    before = list(Line.objects.order_by("pk").values())

    def changing(handler, response):
        kept.text = "changed"
        kept.save()
        Line.objects.filter(pk=(simulation.pk, 2)).update(text="also")
        Line.objects.get(position=3).delete()
        return kept

    record = note(changing)
    assert dry_run(record.pk).counts == {"updated": 2, "deleted": 1}
    assert list(Line.objects.order_by("pk").values()) == before
    persist(record)
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert list(Line.objects.order_by("pk").values()) == before


def test_a_changed_row_with_a_composite_key_refuses_a_revert(simulation):
    record = note(lambda handler, response: Line.objects.create(simulation=simulation, position=1))
    persist(record)
    Line.objects.update(text="by a person")
    report = revert(record.pk)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert "changed since" in report.error
    assert f'line ["{simulation.pk}", "1"]' in report.error


def test_rows_with_composite_keys_are_recreated_and_updated(simulation, monkeypatch):
    text = ["one"]

    def line(self, response):
        return Line.objects.create(simulation=simulation, position=1, text=text[0])

    def again(self, response, made):
        made[0].text = "updated"
        made[0].save()

    monkeypatch.setattr(MemoPersistence, "persist", line)
    monkeypatch.setattr(MemoPersistence, "update", again)
    record = memo()
    persist(record)
    assert reprocess(record.pk, Policy.RECREATE).outcome is ReprocessOutcome.UNCHANGED
    text[0] = "two"
    assert reprocess(record.pk, Policy.RECREATE).outcome is ReprocessOutcome.RECREATED
    assert Line.objects.get().text == "two"
    assert reprocess(record.pk, Policy.UPDATE).outcome is ReprocessOutcome.UPDATED
    assert Line.objects.get().text == "updated"
    assert PersistedObject.objects.get().domain_object == Line.objects.get()


def test_many_rows_with_composite_keys_are_read_in_batches(simulation):
    def lines(handler, response):
        made = Line.objects.bulk_create([Line(simulation=simulation, position=n) for n in range(700)])
        Line.objects.filter(simulation=simulation).update(text="all")
        return made

    record = note(lines)
    assert persist(record) is Outcome.PERSISTED
    assert PersistedObject.objects.count() == 700
    assert revert(record.pk).counts == {"deleted": 700}


def test_rows_that_get_other_keys_are_named_as_not_followed(simulation):
    Line.objects.create(simulation=simulation, position=1)

    def moving(handler, response):
        Line.objects.filter(position=1).update(position=2)

    assert dry_run(note(moving).pk).unseen == ["UPDATE seedapp_line"]


def test_composite_keys_are_compared_between_calls(simulation):
    records = [
        note(lambda handler, response: Line.objects.create(simulation=simulation, position=1)),
        note(lambda handler, response: Line.objects.create(simulation=simulation, position=2)),
    ]
    for record in records:
        persist(record)
    assert [path for path, _, _ in compare(*records).objects if "Line" in path] != []


def test_a_primary_object_with_a_composite_key_can_be_replaced(simulation, monkeypatch):
    def replace(self, response, made):
        made[0].delete()
        return Line.objects.create(simulation=simulation, position=9)

    monkeypatch.setattr(
        MemoPersistence, "persist", lambda self, response: Line.objects.create(simulation=simulation, position=1)
    )
    monkeypatch.setattr(MemoPersistence, "update", replace)
    record = memo()
    persist(record)
    assert reprocess(record.pk, Policy.UPDATE).counts == {"created": 1, "deleted": 1}
    assert PersistedChunk.objects.get().domain_object == Line.objects.get(position=9)


@pytest.mark.parametrize("length", [64, 65, 255])
def test_long_keys_fit(length):
    record = note(lambda handler, response: Document.objects.create(path="x" * length))
    assert persist(record) is Outcome.PERSISTED
    assert PersistedObject.objects.get().domain_object == Document.objects.get()
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert not Document.objects.exists()


@pytest.mark.parametrize("hand_over", [lambda made: made, lambda made: None])
def test_a_key_that_is_too_long_is_refused_by_name(hand_over, monkeypatch):
    monkeypatch.setattr("persistence.tracking.object_links.MAX_KEY", 200)

    def filing(handler, response):
        return hand_over(Document.objects.bulk_create([Document(path="x" * 201)])[0])

    record = note(filing)
    assert persist(record) is Outcome.FAILED
    assert "KeyTooLong: A Document has a primary key of 201 characters" in record.domain_persist_error
    assert not Document.objects.exists()


def test_a_key_is_the_same_in_whatever_form_it_was_assigned():
    def keyed(handler, response):
        return Message.objects.create(pk="12", role="text"), Tally.objects.create(pk=12.0, key="float")

    record = note(keyed)
    assert persist(record) is Outcome.PERSISTED
    assert [row.object_id for row in PersistedObject.objects.all()] == ["12", "12"]
    assert not PersistedObject.objects.filter(row_digest="").exists()
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "text", ["", "7", "[]", '["1"]', '["1", "2", "3"]', '{"a": 1}', '["x", "1"]', "[null, {}]", "nul"]
)
def test_a_text_that_is_not_a_composite_key_is_a_deleted_object(text):
    with pytest.raises(ValidationError):
        key_from(Line, text)
    chunk = PersistedChunk(content_type=ContentType.objects.get_for_model(Line), object_id=text)
    assert chunk.domain_object is None


def test_a_composite_key_as_text_comes_back(simulation):
    assert key_from(Line, key_text(Line, (simulation.pk, "7"))) == (simulation.pk, 7)


def test_a_call_may_be_about_a_row_with_a_composite_key(simulation):
    line = Line.objects.create(simulation=simulation, position=1)
    call = submit(CallSpec(service="services.seedapp.default.GenerateNote", related_object=line))
    assert ServiceCallRecord.objects.get(pk=call.pk).related_object == line
    record = note(
        lambda handler, response: Message.objects.create(role=str(response.related_object)), related_object=line
    )
    persist(record)
    assert Message.objects.get().role == "line 1"


def test_a_call_about_a_row_with_too_long_a_key_is_refused():
    with pytest.raises(InvalidCall, match="64 characters"):
        submit(
            CallSpec(
                service="services.seedapp.default.GenerateNote", related_object=Document.objects.create(path="x" * 65)
            )
        )
