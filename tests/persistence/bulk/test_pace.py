"""A run that keeps a pace, and one that starts later."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from persistence.bulk.pace import CATCHING_UP, change_pace, item_after_next, pace_in_words
from persistence.bulk.runs import abort, freeze, progress, schedule, start, start_scheduled, unschedule, wake_forgotten
from persistence.bulk.worker import _read_ahead, work
from persistence.errors import BulkRefused
from persistence.examinations import bulk_runs
from persistence.models import BulkItem, BulkRun, BulkState
from persistence.operations import REPROCESS
from tests.persistence.reprocessing.test_reprocess import memo

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The runs for which a worker was asked."""
    asked: list[int] = []
    monkeypatch.setattr("persistence.bulk.runs.wake_worker", lambda run_id, kind: asked.append(run_id))
    monkeypatch.setattr("persistence.bulk.lease.wake_worker", lambda run_id, kind: asked.append(run_id))
    return asked


def run_of(count: int) -> BulkRun:
    for number in range(count):
        memo(str(number))
    return freeze(REPROCESS, {})


def test_items_stand_as_far_apart_as_the_pace_says() -> None:
    """What is a little late is made up for; what is much later is not, or a run that rested would hurry."""
    now = database_now()
    run = BulkRun(per_minute=30)
    assert item_after_next(run, now) == now + timedelta(seconds=2)
    run.next_item_at = now - CATCHING_UP / 2
    assert item_after_next(run, now) == run.next_item_at + timedelta(seconds=2)
    run.next_item_at = now - timedelta(hours=1)
    assert item_after_next(run, now) == now
    assert item_after_next(BulkRun(), now) is None


@pytest.mark.parametrize(
    ("per_minute", "words"), [(None, ""), (30, "at most 30 a minute"), (120, "at most 2 a second")]
)
def test_a_pace_is_said_in_the_shorter_unit(per_minute: int | None, words: str) -> None:
    assert pace_in_words(BulkRun(per_minute=per_minute)) == words


def test_a_slow_run_is_left_to_a_tick_between_items(woken: list[int]) -> None:
    """No worker sits beside it, and none that is woken early does the next item."""
    run = run_of(3)
    start(run, per_minute=1)
    assert work(run.pk) == 1
    assert work(run.pk) == 0
    woken.clear()
    wake_forgotten()
    assert woken == []
    BulkRun.objects.update(next_item_at=database_now())
    wake_forgotten()
    assert woken == [run.pk]
    assert work(run.pk) == 1


def test_a_worker_waits_for_items_that_come_soon(woken: list[int]) -> None:
    run = run_of(3)
    start(run, per_minute=6_000)
    assert work(run.pk) == 3
    assert progress(run)["outcomes"] == {"persisted": 3}


def test_a_worker_that_waits_finds_the_new_pace(woken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(3)
    start(run, per_minute=10)
    waited = []

    def hurried(seconds: float) -> None:
        waited.append(seconds)
        change_pace(run, None)

    monkeypatch.setattr("persistence.bulk.lease.time.sleep", hurried)
    assert work(run.pk) == 3
    assert len(waited) == 1


def test_a_run_gets_a_pace_after_it_began(woken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that began without one keeps it from the next item on."""
    monkeypatch.setattr("persistence.bulk.lease.RENEW_SECONDS", 0)
    run = run_of(3)
    start(run)

    def read_while_somebody_sets_one(items: list[BulkItem]) -> dict[str, ServiceCallRecord]:
        change_pace(BulkRun.objects.get(pk=run.pk), 1)
        return _read_ahead(items)

    monkeypatch.setattr("persistence.bulk.worker._read_ahead", read_while_somebody_sets_one)
    assert work(run.pk) == 1
    with pytest.raises(BulkRefused, match="1 to 60,000"):
        change_pace(run, 0)
    abort(run)
    with pytest.raises(BulkRefused, match="has ended"):
        change_pace(run, 5)


def test_a_scheduled_run_starts_once_when_its_time_comes(woken: list[int]) -> None:
    """It is kept longer than a draft that nobody confirmed."""
    run = run_of(1)
    schedule(run, database_now() + timedelta(hours=3), reason="tonight", per_minute=120)
    start_scheduled()
    assert (run.is_scheduled, woken) == (True, [])
    BulkRun.objects.update(starts_at=database_now(), created_at=database_now() - timedelta(days=3))
    freeze(REPROCESS, {})
    start_scheduled()
    start_scheduled()
    assert woken == [run.pk]
    run.refresh_from_db()
    assert (run.state, run.reason, run.per_minute) == (BulkState.QUEUED, "tonight", 120)
    assert work(run.pk) == 1


def test_what_was_called_off_does_not_start(woken: list[int]) -> None:
    off, gone = run_of(1), run_of(1)
    for run, end in ((off, unschedule), (gone, abort)):
        schedule(run, database_now() + timedelta(minutes=1))
        BulkRun.objects.filter(pk=run.pk).update(starts_at=database_now())
        end(run)
    start_scheduled()
    assert woken == []
    assert [run.state for run in BulkRun.objects.order_by("pk")] == [BulkState.DRAFT, BulkState.ABORTED]
    start(off)
    with pytest.raises(BulkRefused, match="cannot become draft"):
        unschedule(off)


def test_the_command_schedules_and_paces_too(woken: list[int]) -> None:
    memo()
    at = database_now() + timedelta(hours=3)
    call_command("reprocess", "--bulk", "--per-minute", "30", "--at", at.isoformat())
    run = BulkRun.objects.get()
    assert (run.starts_at, run.per_minute, run.state) == (at, 30, BulkState.DRAFT)
    with pytest.raises(CommandError, match="--at is a time like"):
        call_command("reprocess", "--bulk", "--at", "tonight")


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=8)])
def test_a_run_is_scheduled_for_the_next_days_alone(ahead: timedelta) -> None:
    run = run_of(1)
    with pytest.raises(BulkRefused, match="within the next 7 days"):
        schedule(run, database_now() + ahead)
    run.refresh_from_db()
    assert not run.is_scheduled


def test_the_doctor_misses_no_worker_of_a_slow_run() -> None:
    """Between two items nobody holds it; when the next one is long due, somebody should."""
    run = BulkRun.objects.create(kind="retry", state=BulkState.RUNNING, per_minute=1)
    BulkRun.objects.update(created_at=database_now() - timedelta(hours=1), next_item_at=database_now())
    assert [each.id for each in bulk_runs() if each.id == "persistence.E203"] == []
    BulkRun.objects.filter(pk=run.pk).update(next_item_at=database_now() - timedelta(hours=1))
    assert [each.id for each in bulk_runs() if each.id == "persistence.E203"] == ["persistence.E203"]
