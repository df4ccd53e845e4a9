"""The doors that django-q opens: to the drain, to bulk runs, and to retention. Exports have theirs in export_tasks."""

from __future__ import annotations

from dataclasses import asdict

from orchestration.app import ensure_autostarted
from orchestration.conf import engine_settings
from orchestration.engine.faultpoints import arm_from_environment
from orchestration.engine.submit import send_task
from orchestration.models import ServiceCallRecord
from persistence.bulk import wake_worker
from persistence.bulk_work import work
from persistence.conf import persistence_settings
from persistence.drain import drain_batch
from persistence.export_files import forget_old_exports
from persistence.models import BulkKind, BulkRun, DrainWake
from persistence.retention import prune
from persistence.waking import ask_for_drain

PRUNE_TASK = "persistence.tasks.prune_content"


def process_pending_persistence() -> dict[str, int]:
    """Drain one batch; returns {"claimed", "processed", "failed", "skipped"}.

    Never calls a model. Leaves a wake-up behind when it got somewhere and more is due.
    """
    prepare()
    DrainWake.answer()
    counts = drain_batch()
    if counts.claimed and ServiceCallRecord.objects.pending_persistence().exists():
        ask_for_drain()
    return asdict(counts)


def run_bulk(run_id: int) -> int:
    """Work on a bulk run for one budget; returns how many items it did.

    An export that older code queued under this name gets its own task.
    """
    prepare()
    if BulkRun.objects.filter(pk=run_id, kind=BulkKind.EXPORT).exists():
        wake_worker(run_id, BulkKind.EXPORT)
        return 0
    return work(run_id)


def prune_content() -> dict[str, int]:
    """Purge what DOMAIN_PERSIST_RETENTION_DAYS says, for at most one budget; returns rows by kind.

    Removes the files of old exports, too. Leaves a task behind when there is more.
    """
    prepare()
    settings = persistence_settings()
    report = prune(dry_run=False, seconds=settings.DOMAIN_PERSIST_BUDGET_SECONDS)
    if not report.finished:
        send_task(PRUNE_TASK, queue=settings.DOMAIN_PERSIST_QUEUE)
    forget_old_exports()
    return report.rows


def prepare() -> None:
    """What every task needs."""
    ensure_autostarted()
    if engine_settings().FAULT_POINTS:
        arm_from_environment(engine_settings().RUN_DIR)
