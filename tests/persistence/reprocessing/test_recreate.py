"""Recreating a result: all of it is taken back first, so nothing is done twice, and what it was before is known."""

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.models import F

from orchestration.clock import earlier_than_new_times
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import ServiceCallRecord
from persistence.models import ObjectAction, PersistedChunk, PersistedObject
from persistence.reprocessing.dry_run_check import differences, essence
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, dry_run, reprocess, revert
from persistence.testing import persist, stored_result
from persistence.tracking.orm_capture import capturing
from tests.persistence.results import digest, note
from tests.seedapp.models import Attachment, Marker, Message, Simulation, Tally
from tests.seedapp.orca.persist.reprocessed import (
    GenerateList,
    GenerateMemo,
    ListPersistence,
    ListSchema,
    MemoPersistence,
    MemoSchema,
)

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def content_types():
    """What a test's transaction made of them is gone after it."""
    yield
    ContentType.objects.clear_cache()


def counting(handler, response):
    Tally.objects.filter(key="n").update(count=F("count") + 1)


def count():
    return Tally.objects.get(key="n").count


def provenance():
    return [list(model.objects.order_by("pk").values()) for model in (PersistedChunk, PersistedObject)]


def recreated(record, **how):
    """Applied as it was shown."""
    started = earlier_than_new_times()
    shown = dry_run(record.pk, Policy.RECREATE, **how)
    applied = reprocess(record.pk, Policy.RECREATE, **how)
    assert differences(essence(shown, started), essence(applied, started)) == []
    assert shown.counts == applied.counts
    return applied


@pytest.mark.parametrize("start", [0, 500])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_handler_that_counts_counts_once_and_reverts(start, times):
    Tally.objects.create(key="n", count=start)
    record = note(counting)
    persist(record)
    before = provenance()
    for _ in range(times):
        assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    assert (count(), provenance()) == (start + 1, before)
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert count() == start


def test_another_increment_is_put_in_place_of_the_first():
    Tally.objects.create(key="n", count=500)
    steps = [1]

    def by_steps(handler, response):
        Tally.objects.filter(key="n").update(count=F("count") + steps[0])
        Tally.objects.filter(key="n").update(count=F("count") * 2)

    record = note(by_steps)
    persist(record)
    steps[0] = 7
    applied = recreated(record)
    assert applied.outcome is ReprocessOutcome.RECREATED
    assert [change.fields for change in applied.changes] == [{"count": [1002, 1014]}]
    assert PersistedObject.objects.get().changes == {"count": [500, 1014, "counted"]}
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert count() == 500


def test_what_the_first_run_deleted_is_deleted_once():
    kept = Attachment.objects.create(kind="old")

    def deleting(handler, response):
        Attachment.objects.filter(kind="old").delete()
        return Message.objects.create(role=role[0])

    role = ["a"]
    record = note(deleting)
    persist(record)
    role[0] = "b"
    assert recreated(record).counts == {"created": 1, "deleted": 1}
    revert(record.pk)
    assert Attachment.objects.get() == kept
    assert not Message.objects.exists()


def test_the_earlier_of_two_calls_is_refused_and_forced_only():
    Tally.objects.create(key="n")
    first, second = note(counting), note(counting)
    persist(first), persist(second)
    for run in (dry_run, reprocess):
        report = run(first.pk, Policy.RECREATE)
        assert report.outcome is ReprocessOutcome.REFUSED
        assert "would count twice" in report.error
    assert count() == 2
    assert recreated(second).outcome is ReprocessOutcome.UNCHANGED
    assert recreated(first, force=True).outcome is ReprocessOutcome.RECREATED


def test_a_row_that_somebody_changed_since_refuses_it():
    Tally.objects.create(key="n")
    record = note(counting)
    persist(record)
    Tally.objects.update(count=9)
    report = reprocess(record.pk, Policy.RECREATE)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert "changed since" in report.error
    assert count() == 9


@pytest.mark.parametrize("hang", ["guarded", "restricted", "loose", "attachment", "m2m"])
def test_rows_of_others_that_hang_on_it_refuse_it_by_name(hang):
    def making(handler, response):
        simulation = Simulation.objects.create(sim_patient_full_name=text[0])
        return Message.objects.create(role=text[0], simulation=simulation)

    text = ["a"]
    record = note(making)
    persist(record)
    message = Message.objects.get()
    if hang == "attachment":
        named = f"attachment {Attachment.objects.create(message=message).pk}"
    elif hang == "m2m":
        message.simulation.tallies.add(Tally.objects.create(key="n"))
        named = f"simulation-tally relationship {Simulation.tallies.through.objects.get().pk}"
    else:
        named = f"marker {Marker.objects.create(**{hang: message}).pk}"
    text[0] = "b"
    for report in (dry_run(record.pk, Policy.RECREATE), reprocess(record.pk, Policy.RECREATE), revert(record.pk)):
        assert report.outcome is ReprocessOutcome.REFUSED, report.error
        assert named in report.error
    assert Message.objects.get().role == "a"


def test_own_rows_that_protect_each_other_are_no_obstacle():
    def guarding(handler, response):
        message = Message.objects.create(role=role[0])
        Marker.objects.create(guarded=message, restricted=message)
        return message

    role = ["a"]
    record = note(guarding)
    persist(record)
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    role[0] = "b"
    assert recreated(record).counts == {"created": 2, "deleted": 2}
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED


def test_which_row_is_referred_to_is_part_of_what_is_equal():
    def two(handler, response):
        pair = [Message.objects.create(role=role) for role in ("a", "b")]
        Attachment.objects.create(message=pair[chosen[0]])
        pair[0].meta = {"message_id": pair[chosen[0]].pk}
        pair[0].save()

    chosen = [0]
    record = note(two)
    persist(record)
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    chosen[0] = 1
    assert recreated(record).outcome is ReprocessOutcome.RECREATED
    assert Attachment.objects.get().message.role == "b"


def test_a_row_of_others_that_refers_to_the_new_row_is_equal():
    marker = Marker.objects.create()

    def pointing(handler, response):
        message = Message.objects.create(role="a")
        Marker.objects.filter(pk=marker.pk).update(loose=message)
        return message

    record = note(pointing)
    persist(record)
    key = Message.objects.get().pk
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    assert Message.objects.get().pk == key
    revert(record.pk)
    marker.refresh_from_db()
    assert marker.loose is None


def test_many_to_many_rows_are_made_once():
    simulation = Simulation.objects.create()
    tallies = [Tally.objects.create(key=key) for key in "abc"]
    simulation.tallies.add(tallies[0])

    def relating(handler, response):
        simulation.tallies.set(tallies[1 : chosen[0]])

    chosen = [3]
    record = note(relating)
    persist(record)
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    chosen[0] = 2
    assert recreated(record).outcome is ReprocessOutcome.RECREATED
    assert list(simulation.tallies.all()) == tallies[1:2]
    revert(record.pk)
    assert list(simulation.tallies.all()) == tallies[:1]


def test_an_update_after_a_recreate_keeps_the_first_image(monkeypatch):
    Tally.objects.create(key="n", count=500)

    def grow(self, response):
        Tally.objects.filter(key="n").update(count=F("count") + 1)

    record = stored_result(GenerateMemo.identity, MemoSchema, {"text": "a", "tone": "b"}, schema_version=3)
    monkeypatch.setattr(MemoPersistence, "persist", grow)
    monkeypatch.setattr(MemoPersistence, "update", lambda self, response, made: Tally.objects.update(count=9) and None)
    persist(record)
    recreated(record)
    assert reprocess(record.pk, Policy.UPDATE).outcome is ReprocessOutcome.UPDATED
    assert reprocess(record.pk, Policy.UPDATE).outcome is ReprocessOutcome.UNCHANGED
    assert PersistedObject.objects.get().changes == {"count": [500, 9, "counted"]}
    assert recreated(record).outcome is ReprocessOutcome.RECREATED
    assert count() == 501
    revert(record.pk)
    assert count() == 500


def test_rows_an_update_made_again_after_a_delete_are_put_back(monkeypatch):
    old = Tally.objects.create(key="n", count=500)
    record = stored_result(GenerateMemo.identity, MemoSchema, {"text": "a", "tone": "b"}, schema_version=3)

    def again(self, response, made):
        Tally.objects.bulk_create([Tally(pk=old.pk, key="n", count=3)])

    monkeypatch.setattr(MemoPersistence, "persist", lambda self, response: Tally.objects.all().delete() and None)
    monkeypatch.setattr(MemoPersistence, "update", again)
    persist(record)
    reprocess(record.pk, Policy.UPDATE)
    assert PersistedObject.objects.get().action == ObjectAction.UPDATED
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert count() == 500


def test_parts_that_change_one_row_are_recreated_together(monkeypatch):
    Tally.objects.create(key="n", count=500)

    def part(self, response):
        Tally.objects.filter(key="n").update(count=F("count") + step[0])
        return Message.objects.create(role=self.part, content=response.structured_data["item"])

    step = [1]
    monkeypatch.setattr(ListPersistence, "persist", part)
    record = stored_result(GenerateList.identity, ListSchema, {"items": ["a", "b", "c"]})
    persist(record)
    before = provenance()
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    assert (count(), provenance()) == (503, before)
    step[0] = 10
    assert recreated(record).outcome is ReprocessOutcome.RECREATED
    assert count() == 530
    record.result["structured_data"]["items"] = ["a", "b"]
    record.save(update_fields=["result"])
    applied = recreated(record)
    assert {part.part: part.outcome for part in applied.parts}["2"] is ReprocessOutcome.REVERTED
    assert count() == 520
    assert Message.objects.count() == 2
    revert(record.pk)
    assert count() == 500


def test_a_codec_is_recreated_and_its_summary_compared():
    Tally.objects.create(key="n", count=500)

    def summing(response, parsed):
        Tally.objects.filter(key="n").update(count=F("count") + 1)
        return {"message_id": Message.objects.create(role="x").pk, "told": told[0]}

    told = ["a"]
    record = digest(summing)
    persist(record)
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    told[0] = "b"
    assert recreated(record).outcome is ReprocessOutcome.RECREATED
    assert PersistedChunk.objects.get().summary["told"] == "b"
    assert count() == 501


def test_calls_that_its_handler_submits_are_not_paid_for_twice():
    def following(handler, response):
        submit(CallSpec(service="services.seedapp.default.GenerateNote"))
        return Message.objects.create(role=role[0])

    role = ["a"]
    record = note(following)
    persist(record)
    for wanted in ("a", "b"):
        role[0] = wanted
        report = reprocess(record.pk, Policy.RECREATE)
        assert report.outcome is ReprocessOutcome.REFUSED
        assert "would submit 1 calls again" in report.error
    assert ServiceCallRecord.objects.count() == 2


def test_a_handler_that_raises_leaves_all_as_it_was():
    Tally.objects.create(key="n", count=500)

    def failing(handler, response):
        counting(handler, response)
        if broken:
            raise ValueError("secret")

    broken = []
    record = note(failing)
    persist(record)
    before = provenance()
    broken.append(1)
    report = reprocess(record.pk, Policy.RECREATE)
    assert report.outcome is ReprocessOutcome.FAILED
    assert "secret" not in report.error
    assert (count(), provenance()) == (501, before)


def test_nothing_is_registered_for_the_commit_of_an_equal_result(on_commit):
    heard = []

    def hooking(handler, response):
        transaction.on_commit(lambda: heard.append("ran"))
        return Message.objects.create(role="a")

    record = note(hooking)
    with on_commit():
        persist(record)
    with on_commit(), capturing() as capture:
        assert reprocess(record.pk, Policy.RECREATE).outcome is ReprocessOutcome.UNCHANGED
    assert heard == ["ran"]
    assert capture.changes() == []
    assert connection.in_atomic_block
