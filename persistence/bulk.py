"""Replays over a filter: a frozen list, a sample as dry run, then batches that can be paused, aborted and killed.

Each item commits together with its own result, so a kill loses nothing and repeats nothing. A worker holds the run by
a lease with a fencing token; when it dies, the next tick after the lease starts another one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from orchestration.engine.submit import send_task
from orchestration.models import ServiceCallRecord
from orchestration.models.calls import PersistState, Status
from orchestration.types import JsonObject
from persistence.conf import persistence_settings
from persistence.errors import BulkRefused
from persistence.models import BulkItem, BulkKind, BulkRun, BulkState, PersistedChunk
from persistence.replay import Policy, Replayed, Report, dry_run, persist_again, revert
from persistence.upgrades import persisted_by_older_code

BULK_TASK = "persistence.tasks.run_bulk"
ROWS_PER_INSERT = 2000
LOOK_SECONDS = 0.5
"""How often a worker looks whether it should stop; an abort takes at most this and one item."""
LEASE = timedelta(seconds=30)
FIELDS = {
    "service": "service_identity",
    "schema": "schema_identity",
    "schema_version": "schema_version",
    "namespace": "namespace",
    "state": "domain_persist_state",
}
MOMENTS = {"since": "created_at__gte", "until": "created_at__lt"}


def select(wanted: Mapping[str, str]) -> QuerySet[ServiceCallRecord]:
    """The calls of a filter, oldest first: service, schema, schema_version, namespace, state, since, until (ISO
    times), handler (identity of who persisted them), older_code (`yes`: persisted by other source than the present).

    BulkRefused names the key or value that is not understood.
    """
    rows = ServiceCallRecord.objects.in_status(Status.SUCCEEDED).exclude(domain_persist_state=PersistState.NONE)
    for key, value in wanted.items():
        rows = rows.filter(_condition(key, value))
    return rows.order_by("created_at", "id")


def _condition(key: str, value: str) -> Q:
    if key in FIELDS:
        if key == "state" and value not in PersistState.values:
            raise BulkRefused(f"state is one of {', '.join(PersistState.values)}, not {value!r}.")
        if key == "schema_version" and not str(value).isdecimal():
            raise BulkRefused(f"schema_version is a whole number, not {value!r}.")
        return Q(**{FIELDS[key]: value})
    if key in MOMENTS:
        return Q(**{MOMENTS[key]: _moment(key, value)})
    if key == "handler":
        return Q(pk__in=PersistedChunk.objects.filter(handler_identity=value).values("call_id"))
    if key == "older_code":
        return Q(pk__in=persisted_by_older_code().values("call_id"))
    known = ", ".join([*FIELDS, *MOMENTS, "handler", "older_code"])
    raise BulkRefused(f"There is no filter {key!r}; there are {known}.")


def _moment(key: str, value: str) -> datetime:
    try:
        moment = parse_datetime(value)
    except (ValueError, ValidationError):
        moment = None
    if moment is None:
        raise BulkRefused(f"{key} is a time like 2026-01-31T12:00:00Z, not {value!r}.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


# --- making and steering --------------------------------------------------------------------


def freeze(
    kind: BulkKind,
    wanted: Mapping[str, str],
    *,
    policy: Policy = Policy.KEEP,
    force: bool = False,
    requested_by: Any = None,
) -> BulkRun:
    """Store the list of calls that match now. Nothing runs before `start`."""
    rows = select(wanted)
    with transaction.atomic():
        run = BulkRun.objects.create(
            kind=kind,
            options={"policy": policy.value, "force": force},
            filter=dict(wanted),
            state=BulkState.PAUSED,
            requested_by=requested_by,
        )
        keys = rows.values_list("pk", flat=True).iterator(chunk_size=ROWS_PER_INSERT)
        while some := list(islice(keys, ROWS_PER_INSERT)):
            BulkItem.objects.bulk_create([BulkItem(run=run, call_id=key) for key in some])
            run.total += len(some)
        run.save(update_fields=["total"])
    return run


def sample(run: BulkRun, count: int = 10) -> list[Report]:
    """The first open items as dry runs."""
    return [_replay(run, item.call_id, dry=True) for item in _open_items(run)[:count]]


def start(run: BulkRun) -> None:
    """paused → queued, and a task for it when that commits; BulkRefused when it has ended."""
    _move(run, to=BulkState.QUEUED, from_=(BulkState.PAUSED,))
    transaction.on_commit(lambda: _wake(run.pk), robust=True)


def pause(run: BulkRun) -> None:
    """queued | running → paused: the worker stops after its item."""
    _move(run, to=BulkState.PAUSED, from_=(BulkState.QUEUED, BulkState.RUNNING))


def abort(run: BulkRun) -> None:
    """queued | running | paused → aborted, for good; what is done stays done."""
    _move(
        run,
        to=BulkState.ABORTED,
        from_=(BulkState.QUEUED, BulkState.RUNNING, BulkState.PAUSED),
        finished_at=timezone.now(),
    )


def progress(run: BulkRun) -> JsonObject:
    """`{"state", "total", "done", "outcomes": {outcome: items}}`."""
    outcomes = dict(run.items.exclude(outcome="").order_by().values_list("outcome").annotate(Count("pk")))
    run.refresh_from_db(fields=["state"])
    return {"state": run.state, "total": run.total, "done": sum(outcomes.values()), "outcomes": outcomes}


def _move(run: BulkRun, *, to: BulkState, from_: tuple[BulkState, ...], **changes: Any) -> None:
    moved = BulkRun.objects.filter(pk=run.pk, state__in=from_).update(state=to, **changes)
    run.refresh_from_db()
    if not moved:
        raise BulkRefused(f"Bulk run {run.pk} is {run.state} and cannot become {to.value}.")


def _wake(run_id: int) -> None:
    send_task(BULK_TASK, run_id, queue=persistence_settings().DOMAIN_PERSIST_QUEUE)


def wake_forgotten() -> None:
    """Start a worker for each run that should have one and has none; on every tick."""
    now = timezone.now()
    waiting = BulkRun.objects.filter(state__in=(BulkState.QUEUED, BulkState.RUNNING))
    for run_id in waiting.filter(Q(leased_until=None) | Q(leased_until__lt=now)).values_list("pk", flat=True):
        _wake(run_id)


# --- working --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Hold:
    """A worker's lease on a run."""

    run: BulkRun
    token: int
    looked: float = 0.0

    def goes_on(self) -> bool:
        """Renew the lease, at most every LOOK_SECONDS; False when the run was stopped or taken over."""
        if time.monotonic() - self.looked < LOOK_SECONDS:
            return True
        self.looked = time.monotonic()
        return bool(self._mine().filter(state=BulkState.RUNNING).update(leased_until=timezone.now() + LEASE))

    def finish(self) -> None:
        self._mine().filter(state=BulkState.RUNNING).update(
            state=BulkState.DONE, finished_at=timezone.now(), leased_until=None
        )

    def let_go(self) -> None:
        self._mine().update(leased_until=None)

    def _mine(self) -> QuerySet[BulkRun]:
        return BulkRun.objects.filter(pk=self.run.pk, lease_token=self.token)


def work(run_id: int) -> int:
    """Do open items of a run for at most the budget of one drain; returns how many. 0 when somebody else is at it.

    Sends the task again when items are left.
    """
    hold = _take(run_id)
    if hold is None:
        return 0
    deadline, done = time.monotonic() + persistence_settings().DOMAIN_PERSIST_BUDGET_SECONDS, 0
    stopped = False
    while not stopped and (items := list(_open_items(hold.run)[:100])):
        for item in items:
            if time.monotonic() >= deadline or not hold.goes_on():
                stopped = True
                break
            done += _do(hold, item)
    if not stopped:
        hold.finish()
    hold.let_go()
    if BulkRun.objects.filter(pk=run_id, state=BulkState.RUNNING, leased_until=None).exists():
        _wake(run_id)
    return done


def _take(run_id: int) -> _Hold | None:
    now = timezone.now()
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    taken = BulkRun.objects.filter(free, pk=run_id, state__in=(BulkState.QUEUED, BulkState.RUNNING)).update(
        state=BulkState.RUNNING, leased_until=now + LEASE, lease_token=F("lease_token") + 1
    )
    if not taken:
        return None
    run = BulkRun.objects.get(pk=run_id)
    return _Hold(run, run.lease_token)


def _open_items(run: BulkRun) -> QuerySet[BulkItem]:
    return run.items.filter(outcome="").order_by("pk")


def _do(hold: _Hold, item: BulkItem) -> bool:
    """One item and its result in one transaction; False when another worker has done it."""
    with transaction.atomic():
        taken = BulkItem.objects.select_for_update().filter(pk=item.pk, outcome="").first()
        if taken is None:
            return False
        try:
            report = _replay(hold.run, item.call_id, dry=False)
        except ServiceCallRecord.DoesNotExist:
            report = Report(
                call_id=item.call_id, outcome=Replayed.REFUSED, dry_run=False, error="The call is not there any more."
            )
        taken.outcome, taken.counts, taken.error = report.outcome.value, report.counts, report.error
        taken.done_at = timezone.now()
        taken.save(update_fields=["outcome", "counts", "error", "done_at"])
    return True


def _replay(run: BulkRun, call_id: str, *, dry: bool) -> Report:
    force = bool(run.options.get("force"))
    if run.kind == BulkKind.REVERT:
        return revert(call_id, force=force, dry=dry)
    policy = Policy(run.options["policy"])
    return (dry_run if dry else persist_again)(call_id, policy, force=force)
