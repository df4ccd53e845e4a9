"""Dry run, reprocess by policy and revert: the report says exactly what happens."""

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.models import ObjectAction, PersistedChunk, PersistedObject
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, dry_run, reprocess, revert
from persistence.testing import persist, stored_result
from persistence.tracking.orm_capture import capturing
from tests.persistence.results import lonely, note
from tests.persistence.statements import reads_of
from tests.seedapp.models import Attachment, Message, Simulation, Tally
from tests.seedapp.orca.persist.reprocessed import GenerateMemo, MemoPersistence, MemoSchema

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def one_message(handler, response):
    return Message.objects.create(role="assistant", content=response.structured_data["text"])


def memo(text="hi", version=3, **fields):
    data = {1: {"body": text}, 2: {"text": text}, 3: {"text": text, "tone": "plain"}}[version]
    return stored_result(GenerateMemo.identity, MemoSchema, data, schema_version=version, **fields)


def shown(report, *, keys=True):
    return [
        (c.model.__name__, c.action.value, {k: v for k, v in c.fields.items() if k != "id"}, *([c.key] if keys else []))
        for c in report.changes
    ]


def test_a_dry_run_tells_every_kind_of_write_and_keeps_nothing():
    simulation = Simulation.objects.create(sim_patient_full_name="Before")
    old = Message.objects.create(role="old", simulation=simulation)
    other = Message.objects.create(role="other", content="a")
    Attachment.objects.create(kind="gone", message=old)

    def busy(handler, response):
        Simulation.objects.filter(pk=simulation.pk).update(sim_patient_full_name="After")
        Message.objects.filter(role="other").update(content=F("role"))
        old.delete()
        return Message.objects.bulk_create([Message(role="one"), Message(role="two")])

    record = note(busy)
    report = dry_run(record.pk)
    assert (report.outcome, report.error, report.unseen) == (ReprocessOutcome.PERSISTED, "", [])
    assert report.counts == {"created": 2, "updated": 2, "deleted": 2}
    changed = {(c.model, c.key): c for c in report.changes}
    assert changed[Simulation, simulation.pk].fields == {"sim_patient_full_name": ["Before", "After"]}
    assert changed[Message, other.pk].fields == {"content": ["a", "other"]}
    assert changed[Message, old.pk or next(k for m, k in changed if m is Message)].before is not None
    assert Message.objects.count() == 2
    assert Attachment.objects.count() == 1
    record.refresh_from_db()
    assert record.domain_persist_state == PersistState.PENDING
    assert not PersistedChunk.objects.exists()


def test_applying_does_what_the_dry_run_said_and_then_nothing():
    def busy(handler, response):
        simulation = Simulation.objects.create(sim_patient_full_name="Ada")
        messages = Message.objects.bulk_create([Message(role=r, simulation=simulation) for r in ("a", "b")])
        Attachment.objects.create(kind="image", message=messages[0])
        Message.objects.filter(role="seen").update(content="yes")
        return messages

    Message.objects.create(role="seen")
    record = note(busy)
    predicted = dry_run(record.pk)
    applied = reprocess(record.pk)
    assert [(m, a) for m, a, _ in shown(predicted, keys=False)] == [(m, a) for m, a, _ in shown(applied, keys=False)]
    assert applied.counts == predicted.counts == {"created": 4, "updated": 1}
    again = reprocess(record.pk)
    assert (again.outcome, again.changes) == (ReprocessOutcome.KEPT, [])
    record.refresh_from_db()
    assert record.domain_persist_state == PersistState.PERSISTED
    assert PersistedObject.objects.count() == 5


def test_hooks_on_commit_do_not_run_in_a_dry_run(on_commit):
    heard = []

    def hooking(handler, response):
        transaction.on_commit(lambda: heard.append("ran"))

    record = note(hooking)
    with on_commit():
        dry_run(record.pk)
    assert heard == []
    with on_commit():
        reprocess(record.pk)
    assert heard == ["ran"]


def test_a_handler_that_raises_is_told_and_charges_nothing():
    def broken(handler, response):
        Message.objects.create(role="half")
        raise ValueError("a secret")

    record = note(broken)
    for run in (dry_run, reprocess):
        report = run(record.pk)
        assert report.outcome is ReprocessOutcome.FAILED
        assert "ValueError" in report.error
        assert "secret" not in report.error
    record.refresh_from_db()
    assert record.domain_persist_attempts == 0
    assert not Message.objects.exists()


def test_a_dry_run_finds_what_only_the_commit_would_refuse():
    simulation = Simulation.objects.create()
    Message.objects.create(simulation=simulation)

    def orphaning(handler, response):
        Simulation.objects.filter(pk=simulation.pk)._raw_delete("default")

    def dangling(handler, response):
        Message.objects.create(simulation_id=999_999)

    for conduct in (orphaning, dangling):
        report = dry_run(note(conduct).pk)
        assert report.outcome is ReprocessOutcome.FAILED
        assert "IntegrityError" in report.error
    assert Simulation.objects.exists()


def test_a_statement_written_by_hand_is_named():
    def by_hand(handler, response):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE seedapp_message SET content = 'x'")

    assert dry_run(note(by_hand).pk).unseen == ["UPDATE seedapp_message"]


def test_a_row_written_repeatedly_is_read_before_and_after():
    """It is read before the first write and after the last one."""
    simulation = Simulation.objects.create(sim_patient_full_name="0")

    def several(handler, response):
        for number in range(1, 5):
            Simulation.objects.filter(pk=simulation.pk, sim_patient_full_name=str(number - 1)).update(
                sim_patient_full_name=str(number)
            )

    record = note(several)
    with CaptureQueriesContext(connection) as captured:
        report = dry_run(record.pk)
    assert [change.fields for change in report.changes] == [{"sim_patient_full_name": ["0", "4"]}]
    assert len(reads_of(captured, "seedapp_simulation")) == 2


def test_rows_that_may_exist_already_are_reported_when_new():
    simulation = Simulation.objects.create()
    old, new = Tally.objects.create(key="old"), Tally.objects.create(key="new")
    simulation.tallies.add(old)

    def tallying(handler, response):
        simulation.tallies.add(old, new)
        Tally.objects.bulk_create([Tally(key="old", count=9), Tally(key="third")], ignore_conflicts=True)
        Tally.objects.bulk_create(
            [Tally(key="new", count=3)], update_conflicts=True, unique_fields=["key"], update_fields=["count"]
        )

    record = note(tallying)
    shown, applied = dry_run(record.pk), reprocess(record.pk)
    assert shown.counts == applied.counts == {"created": 2, "updated": 1}
    assert applied.unseen == []
    assert {c.model.__name__ for c in applied.changes} == {"Simulation_tallies", "Tally"}
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert list(simulation.tallies.all()) == [old]
    assert dict(Tally.objects.values_list("key", "count")) == {
        "old": 0,
        "new": 0,
    }


def test_a_call_that_the_handler_submits_is_part_of_the_report():
    def follow(handler, response):
        submit(CallSpec(service="services.seedapp.default.GenerateNote"))

    report = dry_run(note(follow).pk)
    assert [(c.model, c.action) for c in report.changes] == [(ServiceCallRecord, ObjectAction.CREATED)]


def test_dead_and_skipped_results_are_persisted_again():
    """What nothing takes is skipped again."""
    record = note(one_message, domain_persist_state=PersistState.DEAD, next_persist_at=None)
    assert reprocess(record.pk).outcome is ReprocessOutcome.PERSISTED
    assert reprocess(lonely().pk).outcome is ReprocessOutcome.SKIPPED


def test_results_of_older_versions_are_upgraded_when_persisted():
    """The stored result stays as it was."""
    records = [memo(str(version), version) for version in (1, 2, 3)]
    for record in records:
        assert persist(record).value == "persisted"
    assert {(m.content, m.meta["tone"]) for m in Message.objects.all()} == {(v, "plain") for v in "123"}
    assert set(PersistedChunk.objects.values_list("schema_version", flat=True)) == {3}
    records[0].refresh_from_db()
    assert records[0].result["structured_data"] == {"body": "1"}


def test_update_brings_rows_up_to_date_and_then_changes_nothing():
    record = memo("hi")
    persist(record)
    Message.objects.update(content="a bug wrote this")
    predicted = dry_run(record.pk, Policy.UPDATE)
    applied = reprocess(record.pk, Policy.UPDATE)
    assert shown(predicted) == shown(applied)
    assert applied.changes[0].fields == {"content": ["a bug wrote this", "hi"]}
    second = reprocess(record.pk, Policy.UPDATE)
    assert (second.outcome, second.changes) == (ReprocessOutcome.UNCHANGED, [])
    assert Message.objects.get().content == "hi"


def test_an_update_that_replaces_the_primary_object_names_it(monkeypatch):
    def replace(self, response, made):
        made[0].delete()
        return Message.objects.create(role="memo", content="another")

    record = memo()
    persist(record)
    monkeypatch.setattr(MemoPersistence, "update", replace)
    assert reprocess(record.pk, Policy.UPDATE).counts == {"created": 1, "deleted": 1}
    chunk = PersistedChunk.objects.get()
    assert chunk.domain_object == Message.objects.get()
    assert chunk.domain_object.content == "another"
    assert [row.role for row in chunk.objects_touched.all()] == ["primary"]
    monkeypatch.setattr(MemoPersistence, "update", lambda self, response, made: made[0].delete() and None)
    reprocess(record.pk, Policy.UPDATE)
    chunk.refresh_from_db()
    assert (chunk.content_type, chunk.object_id, chunk.objects_touched.count()) == (None, None, 0)


def test_a_revert_restores_what_an_update_deleted(monkeypatch):
    simulation = Simulation.objects.create(sim_patient_full_name="Before")

    def rename(self, response):
        found = Simulation.objects.get()
        found.sim_patient_full_name = "After"
        found.save()
        return found

    monkeypatch.setattr(MemoPersistence, "persist", rename)
    monkeypatch.setattr(MemoPersistence, "update", lambda self, response, made: made[0].delete() and None)
    record = memo()
    persist(record)
    assert reprocess(record.pk, Policy.UPDATE).counts == {"deleted": 1}
    assert PersistedChunk.objects.get().objects_touched.get().action == ObjectAction.DELETED
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    simulation.refresh_from_db()
    assert simulation.sim_patient_full_name == "Before"


def test_update_needs_a_handler_that_can():
    record = note(one_message)
    persist(record)
    report = reprocess(record.pk, Policy.UPDATE)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert "defines no `update" in report.error


def test_recreate_replaces_rows_only_when_they_would_differ():
    text = ["one"]

    def changing(handler, response):
        message = Message.objects.create(role="assistant", content=text[0])
        Attachment.objects.create(message=message, kind="image")
        return message

    record = note(changing)
    persist(record)
    assert reprocess(record.pk, Policy.RECREATE).outcome is ReprocessOutcome.UNCHANGED
    text[0] = "two"
    predicted = dry_run(record.pk, Policy.RECREATE)
    assert Message.objects.get().content == "one"
    applied = reprocess(record.pk, Policy.RECREATE)
    assert predicted.counts == applied.counts == {"created": 2, "deleted": 2}
    assert Message.objects.get().content == "two"
    assert PersistedChunk.objects.get().domain_object == Message.objects.get()
    assert reprocess(record.pk, Policy.RECREATE).outcome is ReprocessOutcome.UNCHANGED


def test_recreate_refuses_changed_rows_unless_forced():
    record = note(one_message)
    persist(record)
    Message.objects.update(content="edited by hand")
    report = reprocess(record.pk, Policy.RECREATE)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert "changed since" in report.error
    assert reprocess(record.pk, Policy.RECREATE, force=True).outcome is ReprocessOutcome.RECREATED
    assert Message.objects.get().content == "hello"


def test_revert_removes_restores_and_puts_back():
    simulation = Simulation.objects.create(sim_patient_full_name="Before")
    Attachment.objects.create(kind="old")
    before = list(Attachment.objects.values())

    def busy(handler, response):
        Simulation.objects.filter(pk=simulation.pk).update(sim_patient_full_name="After")
        Attachment.objects.all().delete()
        return Message.objects.create(role="assistant")

    record = note(busy)
    persist(record)
    predicted = revert(record.pk, dry=True)
    assert Message.objects.exists()
    applied = revert(record.pk)
    assert shown(predicted) == shown(applied)
    assert applied.outcome is ReprocessOutcome.REVERTED
    simulation.refresh_from_db()
    assert simulation.sim_patient_full_name == "Before"
    assert not Message.objects.exists()
    assert list(Attachment.objects.values()) == before
    record.refresh_from_db()
    assert record.domain_persist_state == PersistState.SKIPPED
    assert not PersistedChunk.objects.exists()
    assert reprocess(record.pk).outcome is ReprocessOutcome.PERSISTED


def test_revert_refuses_rows_touched_later_unless_forced():
    first = note(one_message)
    persist(first)
    message = Message.objects.get()

    def edit(handler, response):
        message.content = "later"
        message.save()

    second = note(lambda handler, response: edit(handler, response))
    persist(second)
    report = revert(first.pk)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert f"touched later by call {second.pk}" in report.error
    assert Message.objects.exists()
    assert revert(first.pk, force=True).outcome is ReprocessOutcome.REVERTED
    assert not Message.objects.exists()


def test_revert_is_refused_when_rows_of_others_would_go_along():
    record = note(one_message)
    persist(record)
    Attachment.objects.create(message=Message.objects.get(), kind="of somebody else")
    report = revert(record.pk)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert "did not make" in report.error
    assert Attachment.objects.exists()
    assert Message.objects.exists()


def test_reprocessing_asks_no_provider():
    record = memo("hi", 1)
    dry_run(record.pk), reprocess(record.pk), reprocess(record.pk, Policy.UPDATE), revert(record.pk)
    assert not AIRequestAudit.objects.exists()


def test_a_capture_leaves_the_connection_as_it_was():
    with capturing():
        assert "compiler" in vars(connection.ops)
    assert "compiler" not in vars(connection.ops)
