"""Every operation over many calls: forecast from the frozen list, done through transitions, noted in each history."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from apps.accounts.models import User
from orchestration.models import ServiceCallRecord
from orchestration.models.states import Status
from orchestration.operations import CANCEL, RETRY, Operation
from persistence.bulk.runs import MAX_ROWS, abort, forecast, freeze_rows, progress, start
from persistence.bulk.worker import work
from persistence.errors import BulkRefused
from persistence.models import BulkItem, BulkRun, BulkState
from persistence.operations import DRY_RUN, REPROCESS, RERUN, REVERT
from persistence.testing import persist
from tests.orchestration.factories import failed, queued, running
from tests.persistence.reprocessing.test_reprocess import memo
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root@example.com", "pw")


def run_of(operation: Operation, root: User | None = None, **options: Any) -> BulkRun:
    return freeze_rows(operation.key, ServiceCallRecord.objects.order_by("pk"), options=options, requested_by=root)


def go(run: BulkRun, reason: str = "") -> dict[str, int]:
    start(run, reason=reason)
    work(run.pk)
    return progress(run)["outcomes"]


def test_a_bulk_retry_is_forecast_done_and_noted(root: User) -> None:
    """What moved meanwhile is reported and left alone."""
    calls = [failed(), failed(), running(), queued()]
    run = run_of(RETRY, root)
    assert (run.forecast["will"], run.forecast["will_not"]) == (2, 2)
    assert ["running; only failed and cancelled calls are retried", 1] in run.forecast["reasons"]
    ServiceCallRecord.objects.filter(pk=calls[1].pk).update(status=Status.SUCCEEDED)
    assert go(run, "provider is back") == {"retried": 1, "refused": 3}
    assert BulkItem.objects.get(call_id=calls[1].pk).error == "succeeded by now."
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.user) == (calls[0].pk, root)
    assert entry.get_change_message() == f"Retry (bulk run {run.pk}): retried. provider is back"
    assert ServiceCallRecord.objects.get(pk=calls[0].pk).status == "queued"


def test_calls_that_went_meanwhile_are_reported(root: User) -> None:
    call = failed()
    run = run_of(RETRY, root)
    call.delete()
    assert go(run) == {"gone": 1}


def test_cancel_stops_queued_and_asks_running_ones(root: User) -> None:
    queued(), running(), failed()
    run = run_of(CANCEL, root)
    assert forecast(run).reasons == {"already failed": 1}
    assert go(run) == {"cancelled": 2, "refused": 1}


def test_a_rerun_makes_calls_with_another_model_for_who_asked(root: User) -> None:
    original = memo("a")
    queued()
    assert go(run_of(RERUN, root, model="gpt-4o", temperature=0.5)) == {"asked again": 1, "refused": 1}
    new_call = ServiceCallRecord.objects.get(parent=original)
    assert new_call.service_kwargs["model"] == "gpt-4o"
    assert new_call.service_kwargs["parameters"] == {"temperature": 0.5}
    assert new_call.requested_by == root


def test_a_bulk_dry_run_changes_nothing_and_predicts_the_run(root: User) -> None:
    memo("a"), memo("b")
    preview = run_of(DRY_RUN, root)
    assert go(preview) == {"would persist": 2}
    assert not Message.objects.exists()
    assert list(preview.items.values_list("counts", flat=True)) == [{"created": 1}] * 2
    run = run_of(REPROCESS, root)
    assert go(run) == {"persisted": 2}
    assert Message.objects.count() == 2
    again = run_of(REPROCESS, root)
    assert forecast(again).reasons == {"persisted already, and the policy is to keep that": 2}
    assert forecast(run_of(REPROCESS, root, policy="update")).will == 2
    back = run_of(REVERT, root)
    assert forecast(back).will == 2
    assert go(back) == {"reverted": 2}


def test_an_empty_list_runs_to_its_end_at_once(root: User) -> None:
    run = run_of(RETRY, root)
    assert (run.total, forecast(run).will) == (0, 0)
    assert go(run) == {}
    run.refresh_from_db()
    assert run.state == BulkState.DONE


def test_a_list_that_is_too_long_is_refused_and_nothing_stays(monkeypatch: Any, root: User) -> None:
    monkeypatch.setattr("persistence.bulk.runs.MAX_ROWS", 1)
    failed(), failed()
    with pytest.raises(BulkRefused, match="Narrow the filter"):
        run_of(RETRY, root)
    assert not BulkRun.objects.exists()
    assert MAX_ROWS == 250_000


def test_a_draft_can_be_thrown_away_and_old_ones_go(root: User) -> None:
    failed()
    run = run_of(RETRY, root)
    abort(run)
    with pytest.raises(BulkRefused, match="aborted"):
        start(run)
    old = run_of(RETRY, root)
    BulkRun.objects.filter(pk=old.pk).update(created_at="2020-01-01T00:00:00Z")
    run_of(RETRY, root)
    assert not BulkRun.objects.filter(pk=old.pk).exists()


def test_a_run_of_the_command_line_has_nobody_to_name() -> None:
    persist(memo("a"))
    assert go(run_of(REVERT)) == {"reverted": 1}
    assert not LogEntry.objects.exists()
