"""Results that are persisted part by part."""

import pytest

from orchestration.models.states import PersistState
from persistence.models import PersistedChunk, PersistedPart
from persistence.outbox.outcomes import Outcome
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, dry_run, reprocess
from persistence.testing import persist, stored_result
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import CONDUCT
from tests.seedapp.orca.persist.reprocessed import GenerateList, ListSchema

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def poison():
    def fail():
        raise KeyError

    CONDUCT["poison"] = fail
    yield
    CONDUCT.pop("poison", None)


def parted(*items):
    return stored_result(GenerateList.identity, ListSchema, {"items": list(items)})


def test_each_part_is_a_chunk_of_its_own():
    record = parted("a", "b")
    assert persist(record) is Outcome.PERSISTED
    assert sorted(PersistedChunk.objects.values_list("part", flat=True)) == ["0", "1"]
    assert [m.content for m in Message.objects.order_by("pk")] == ["a", "b"]
    assert record.domain_persist_state == PersistState.PERSISTED


def test_a_poison_part_dies_alone_and_others_are_persisted_once(poison, settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_MAX_ATTEMPTS": 2}
    record = parted("a", "poison", "c")
    assert persist(record) is Outcome.FAILED
    assert record.domain_persist_state == PersistState.PENDING
    assert "1 of 3 parts" in record.domain_persist_error
    assert Message.objects.count() == 2
    record.bring_forward()
    assert persist(record) is Outcome.DEAD
    assert Message.objects.count() == 2
    assert PersistedPart.objects.get().is_dead
    CONDUCT.pop("poison")
    record.persist_again()
    assert persist(record) is Outcome.PERSISTED
    assert sorted(m.content for m in Message.objects.all()) == ["a", "c", "poison"]
    assert not PersistedPart.objects.exists()


def test_a_dry_run_reports_part_by_part(poison):
    record = parted("a", "poison")
    report = dry_run(record.pk)
    assert report.outcome is ReprocessOutcome.FAILED
    assert [part.part for part in report.parts] == ["0"]
    assert not Message.objects.exists()
    assert not PersistedPart.objects.exists()
    CONDUCT.pop("poison")
    assert [(p.part, len(p.changes)) for p in reprocess(record.pk).parts] == [("0", 1), ("1", 1)]


def test_recreate_removes_the_objects_of_parts_that_are_gone():
    record = parted("a", "b", "c")
    persist(record)
    record.result["structured_data"]["items"] = ["a", "x"]
    record.save(update_fields=["result"])
    shown, applied = dry_run(record.pk, Policy.RECREATE), reprocess(record.pk, Policy.RECREATE)
    outcomes = {"0": ReprocessOutcome.UNCHANGED, "1": ReprocessOutcome.RECREATED, "2": ReprocessOutcome.REVERTED}
    assert {part.part: part.outcome for part in applied.parts} == outcomes
    assert (shown.outcome, shown.counts) == (applied.outcome, applied.counts)
    assert sorted(m.content for m in Message.objects.all()) == ["a", "x"]
    assert sorted(PersistedChunk.objects.values_list("part", flat=True)) == ["0", "1"]
    assert reprocess(record.pk, Policy.RECREATE).outcome is ReprocessOutcome.UNCHANGED
