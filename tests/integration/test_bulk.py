"""A bulk run in a real cluster: its worker is killed in the middle, another one continues, and an abort is heeded."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import Count
from django.utils import timezone

from orchestration.fault_injection import ENVIRONMENT
from persistence.bulk.runs import abort, freeze, progress, start
from persistence.models import BulkRun, PersistedChunk
from persistence.operations import REPROCESS, REVERT
from tests.clusters import running_cluster, until
from tests.persistence.reprocessing.test_reprocess import memo
from tests.seedapp.models import Message

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.postgres,
    pytest.mark.timeout(240),
    pytest.mark.django_db(transaction=True),
]
ITEMS = 200


def test_a_bulk_run_survives_a_kill_and_stops_on_request(tmp_path: Path, monkeypatch) -> None:
    """SIGKILL at the 20th result, between its rows and their link."""
    for number in range(ITEMS):
        memo(str(number), 1 + number % 3, domain_persist_state="skipped", next_persist_at=None)
    monkeypatch.setenv(ENVIRONMENT, "before_link:20")
    pace = tmp_path / "pace"
    pace.write_text("0")
    monkeypatch.setenv("SEEDAPP_PACE", str(pace))
    with running_cluster(tmp_path, FAULT_POINTS=True) as cluster:
        run = freeze(REPROCESS, {"state": "skipped"})
        start(run)
        until((tmp_path / "run" / "fault-before_link").exists, "the kill")
        until(lambda: Message.objects.count() == 19, "what was committed before the kill, and nothing else")
        assert progress(run)["done"] == 19
        BulkRun.objects.update(leased_until=timezone.now() - timedelta(seconds=1))  # its lease runs out
        until(lambda: progress(run)["state"] == "done", "the rest, by another worker")
        assert progress(run)["outcomes"] == {"persisted": ITEMS}
        pace.write_text("0.05")  # ten seconds for all: there is time to abort it
        again = freeze(REVERT, {"state": "persisted"})
        start(again)
        until(lambda: BulkRun.objects.get(pk=again.pk).leased_until is not None, "a worker that takes the second run")
        abort(again)
        until(lambda: BulkRun.objects.get(pk=again.pk).leased_until is None, "the worker lets go", 10)
        assert cluster.stop() == 0
    done = progress(again)["done"]
    assert done < ITEMS
    assert Message.objects.count() == PersistedChunk.objects.count() == ITEMS - done
    twice = Message.objects.values("content").annotate(times=Count("pk")).filter(times__gt=1)
    assert not twice.exists()
    assert progress(again)["state"] == "aborted"
