"""The task entry points of persistence: the drain, bulk runs, retention. Those of exports are in export_tasks."""

from __future__ import annotations

from dataclasses import asdict

from orchestration.components.lifecycle import ensure_autostarted
from orchestration.conf import engine_settings
from orchestration.content.removal import sweep
from orchestration.engine.node import DRAINS, claim_slot
from orchestration.engine.queue.transport import send_task
from orchestration.fault_injection import arm_from_environment
from orchestration.models import ServiceCallRecord
from persistence.approval.deadlines import settle_lost, settle_overdue, wake_for_deadlines
from persistence.approval.mail import mail_digests
from persistence.bulk.runs import wake_worker
from persistence.bulk.worker import work
from persistence.conf import persistence_settings
from persistence.exports.storage import forget_old_exports
from persistence.maintenance.erasure import go_on
from persistence.maintenance.retention import prune
from persistence.models import BulkRun, DrainWake
from persistence.models.bulk import EXPORT
from persistence.models.erasures import Erasure
from persistence.models.failures import PersistenceFailure
from persistence.outbox.drain import drain_batch
from persistence.outbox.outcomes import Counts
from persistence.receivers import ask_for_drain

PRUNE_TASK = "persistence.tasks.prune_content"


def process_pending_persistence() -> dict[str, int]:
    """Drain one batch; returns {"claimed", "processed", "failed", "skipped"}.

    Never calls a model. Leaves a wake-up behind when it got somewhere and more is due. Does nothing while as many
    drains run on this node as may: a storm of results leaves a worker to the calls, and those that drain ask again.
    """
    prepare()
    DrainWake.answer()
    slot = claim_slot(of=DRAINS)
    if slot is None:
        return asdict(Counts())
    with slot:
        counts = drain_batch()
    # Only now: whoever found no slot until here relies on this look.
    if counts.claimed and ServiceCallRecord.objects.pending_persistence().exists():
        ask_for_drain()
    return asdict(counts)


def run_bulk(run_id: int) -> int:
    """Work on a bulk run for one budget; returns how many items it did.

    An export that older code queued under this name gets its own task.
    """
    prepare()
    if BulkRun.objects.filter(pk=run_id, kind=EXPORT).exists():
        wake_worker(run_id, EXPORT)
        return 0
    return work(run_id)


def prune_content() -> dict[str, int]:
    """Purge what DOMAIN_PERSIST_RETENTION_DAYS says, for at most one budget; returns rows by kind.

    Removes the files of old exports, and content of messages that nothing refers to, too, and closes held results that
    are gone. Leaves a task behind when there is more.
    """
    prepare()
    settings = persistence_settings()
    settle_lost(seconds=settings.DOMAIN_PERSIST_BUDGET_SECONDS)
    report = prune(dry_run=False, seconds=settings.DOMAIN_PERSIST_BUDGET_SECONDS)
    if not report.finished:
        send_task(PRUNE_TASK, queue=settings.DOMAIN_PERSIST_QUEUE)
    forget_old_exports()
    sweep()
    PersistenceFailure.objects.forget_settled()
    return report.rows


def erase(erasure_id: int) -> dict[str, int]:
    """Continue an erasure for one budget; returns rows by kind. Leaves a task behind when there is more."""
    prepare()
    erasure = Erasure.objects.filter(pk=erasure_id, finished_at=None).first()
    if erasure is None:
        return {}
    return go_on(erasure, seconds=persistence_settings().DOMAIN_PERSIST_BUDGET_SECONDS).rows


def settle_deadlines() -> int:
    """Deal with held results whose deadline has passed, for one budget; returns how many. Leaves a task behind when
    there are more."""
    prepare()
    settled = settle_overdue(seconds=persistence_settings().DOMAIN_PERSIST_BUDGET_SECONDS)
    if settled:
        wake_for_deadlines()
    return settled


def mail_approvals() -> int:
    """Write to those for whom results came to wait within the hour; returns how many got a mail."""
    prepare()
    return mail_digests()


def prepare() -> None:
    """What every task needs."""
    ensure_autostarted()
    if engine_settings().FAULT_POINTS:
        arm_from_environment(engine_settings().RUN_DIR)
