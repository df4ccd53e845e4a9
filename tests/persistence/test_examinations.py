"""What the doctor finds about results and bulk runs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from persistence.models.bulk import BulkRun
from persistence.testing import persist
from tests.orchestration.doctor.findings import findings
from tests.persistence.results import note

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
AGO = timezone.now() - timedelta(minutes=10)


def fail(handler, response):
    raise ValueError("about Ann")


def test_dead_results_are_found_by_cause(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_MAX_ATTEMPTS": 1}
    for _ in range(2):
        persist(note(fail))
    found = findings()["persistence.E202"]
    assert found.message == "2 results are dead: ValueError in persist.seedapp.default.NotePersistence."
    assert "reprocess --filter state=dead --apply" in found.mend


def test_results_that_wait_are_found():
    note(fail, next_persist_at=AGO)
    assert "drain_persistence" in findings()["persistence.E201"].mend


def test_a_bulk_run_without_a_worker_is_found():
    BulkRun.objects.create(kind="retry", state="running", total=3, created_at=AGO, leased_until=AGO)
    BulkRun.objects.create(kind="retry", state="paused", total=3, created_at=AGO)
    assert "(retry, 3 rows) is running" in findings()["persistence.E203"].message
