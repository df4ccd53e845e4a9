"""Walking a table in batches by primary key."""

from __future__ import annotations

from operator import itemgetter

import pytest

from orchestration.models import EngineCounter
from orchestration.models.batches import in_batches

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def five() -> None:
    EngineCounter.objects.bulk_create([EngineCounter(name=f"c{number}") for number in range(5)])


def test_batches_come_in_the_order_of_the_key() -> None:
    batches = list(in_batches(EngineCounter.objects.order_by("-name"), 2))
    assert [[row.name for row in batch] for batch in batches] == [["c0", "c1"], ["c2", "c3"], ["c4"]]


def test_no_rows_are_no_batches() -> None:
    assert list(in_batches(EngineCounter.objects.none(), 2)) == []


def test_the_key_may_be_a_column_of_the_values() -> None:
    batches = in_batches(EngineCounter.objects.values_list("pk", "name"), 4, key=itemgetter(0))
    assert [[name for _, name in batch] for batch in batches] == [["c0", "c1", "c2", "c3"], ["c4"]]


def test_deleting_what_was_walked_skips_nothing() -> None:
    seen = []
    for batch in in_batches(EngineCounter.objects.all(), 2):
        seen += [row.name for row in batch]
        EngineCounter.objects.filter(pk__in=[row.pk for row in batch]).delete()
    assert seen == ["c0", "c1", "c2", "c3", "c4"]
