"""Stored results of older schema versions."""

import pytest

from persistence.errors import NotUpgradable, UpgradeDefinitionError
from persistence.handlers.schema_upgrades import (
    handler_versions,
    persisted_by_older_code,
    schema_coverage,
    upgrade,
    upgrade_data,
)
from persistence.models import PersistedChunk
from persistence.testing import persist
from tests.persistence.reprocessing.test_reprocess import memo
from tests.seedapp.orca.persist.reprocessed import MemoSchema

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_the_chain_runs_in_order():
    assert upgrade_data(MemoSchema, 1, {"body": "x"}) == {"text": "x", "tone": "plain"}


def test_a_result_that_is_newer_than_the_code_is_refused():
    with pytest.raises(NotUpgradable, match="stored by version 4"):
        upgrade_data(MemoSchema, 4, {})


@pytest.mark.parametrize("version", [0, 3])
def test_an_upgrade_starts_below_the_present_version(version):
    with pytest.raises(UpgradeDefinitionError, match="version"):
        upgrade(MemoSchema, from_version=version)(lambda data: data)


def test_two_upgrades_of_one_step_are_refused():
    with pytest.raises(UpgradeDefinitionError, match="Two upgrades"):
        upgrade(MemoSchema, from_version=1)(lambda data: data)


def test_coverage_shows_what_is_current_upgradable_or_not():
    memo("a", 1), memo("b", 2), memo("c", 3)
    broken = memo("d", 2)
    broken.result["structured_data"] = {"other": "d"}
    broken.save()
    newer = memo("e", 3)
    newer.schema_version = 9
    newer.save()
    report = schema_coverage(MemoSchema)
    assert (report.current, report.upgradable, report.not_upgradable, report.total) == (1, 2, 2, 5)
    assert report.versions == {1: 1, 2: 2, 3: 1, 9: 1}
    assert set(report.examples.values()) == {broken.pk, newer.pk}


def test_what_an_older_handler_persisted_is_listed():
    persist(memo("a")), persist(memo("b"))
    assert handler_versions(outdated_only=True) == []
    old = PersistedChunk.objects.first()
    PersistedChunk.objects.filter(pk=old.pk).update(handler_fingerprint="0" * 16)
    (row,) = handler_versions(outdated_only=True)
    assert (row.fingerprint, row.chunks, row.is_current) == ("0" * 16, 1, False)
    assert list(persisted_by_older_code()) == [old]
