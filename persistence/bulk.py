"""Work over many rows: a frozen list, what would become of it, and steering it while workers do it
(persistence/bulk_work.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import BooleanField, CharField, Count, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from orchestration.engine.submit import send_task
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.types import JsonObject
from persistence.conf import persistence_settings
from persistence.errors import BulkRefused
from persistence.models import BulkItem, BulkKind, BulkRun, BulkState, PersistedChunk
from persistence.operations import operation
from persistence.replay import Policy, Report, dry_run, revert
from persistence.upgrades import persisted_by_older_code

BULK_TASK = "persistence.tasks.run_bulk"
EXPORT_TASK = "persistence.export_tasks.run_export"
"""In a module of its own: what writes spreadsheets takes a worker's time and memory to load."""
MAX_ROWS = 250_000
"""Of one run."""
KEPT_DRAFTS = timedelta(days=1)
EXPORT_SECONDS = 500
"""For one task of an export; below the `retry` of Q_CLUSTER, after which a broker would give it to somebody else."""
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
    """Store the list of calls that match `select` now, to be persisted or reverted. Nothing runs before `start`."""
    options = {"policy": policy.value, "force": force}
    return freeze_rows(kind, select(wanted), options=options, told=dict(wanted), requested_by=requested_by)


def freeze_rows(
    kind: BulkKind,
    rows: QuerySet[Any],
    *,
    options: JsonObject | None = None,
    told: JsonObject | None = None,
    requested_by: Any = None,
) -> BulkRun:
    """Store the list of these rows, in their order, as a draft; `told` says in words what was asked for.

    What it would do to calls is counted once, now: that reads all of them, and the draft's page is looked at often.
    BulkRefused beyond MAX_ROWS; an empty list is a run of 0. Drafts that nobody confirmed go after a day.
    """
    BulkRun.objects.filter(state=BulkState.DRAFT, created_at__lt=timezone.now() - KEPT_DRAFTS).delete()
    with transaction.atomic():
        run = BulkRun.objects.create(kind=kind, options=options or {}, filter=told or {}, requested_by=requested_by)
        run.total = _copy_keys(run, rows)
        if run.total > MAX_ROWS:
            raise BulkRefused(f"More than {MAX_ROWS:,} rows match. Narrow the filter, and take them in turns.")
        if run.kind != BulkKind.EXPORT:
            run.forecast = forecast(run).as_json()
        run.save(update_fields=["total", "forecast"])
    return run


def _copy_keys(run: BulkRun, rows: QuerySet[Any]) -> int:
    """One INSERT ... SELECT: a list of any length costs no memory here."""
    keys = rows.annotate(frozen_key=Cast("pk", CharField())).values("frozen_key")[: MAX_ROWS + 1]
    query, params = keys.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO persistence_bulk_item (run_id, call_id, outcome, error)"  # noqa: S608 - the ORM's own SQL
            f" SELECT %s, frozen_key, '', '' FROM ({query}) AS frozen WHERE true ON CONFLICT DO NOTHING",
            [run.pk, *params],
        )
        return int(cursor.rowcount)


@dataclass(slots=True, kw_only=True)
class Forecast:
    """What a run would do to its calls as they are."""

    will: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Why calls would be left alone, with the number of calls."""

    @property
    def will_not(self) -> int:
        return self.reasons.total()

    def as_json(self) -> JsonObject:
        """`{"will", "will_not", "reasons": [[why, calls], ...]}`, what holds for most calls first."""
        reasons = [[why, count] for why, count in self.reasons.most_common()]
        return {"will": self.will, "will_not": self.will_not, "reasons": reasons}


def forecast(run: BulkRun) -> Forecast:
    """Sort the calls of a run by what the operation would say to them now; one query, whatever their number."""
    entry, found = operation(run.kind), Forecast()
    listed = ServiceCallRecord.objects.filter(pk__in=run.items.filter(outcome="").values("call_id")).order_by()
    states = (
        listed.annotate(stopping=_is_set("cancel_requested_at"), has_result=_is_set("result"))
        .values_list("status", "domain_persist_state", "stopping", "has_result")
        .annotate(Count("pk"))
    )
    for status, persist_state, stopping, has_result, count in states:
        like = ServiceCallRecord(
            status=status,
            domain_persist_state=persist_state,
            cancel_requested_at=timezone.now() if stopping else None,
            result={} if has_result else None,
        )
        objection = entry.objection(like, run.options)
        if objection:
            found.reasons[objection] += count
        else:
            found.will += count
    return found


def _is_set(column: str) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(Q(**{f"{column}__isnull": False}), BooleanField())


def sample(run: BulkRun, count: int = 10) -> list[Report]:
    """The first open items of a run that persists or reverts, as dry runs."""
    force = bool(run.options.get("force"))
    keys = open_items(run).values_list("call_id", flat=True)[:count]
    if run.kind == BulkKind.REVERT:
        return [revert(key, force=force, dry=True) for key in keys]
    return [dry_run(key, Policy(run.options.get("policy", Policy.KEEP)), force=force) for key in keys]


def open_items(run: BulkRun) -> QuerySet[BulkItem]:
    """What is still to be done, in order."""
    return run.items.filter(outcome="").order_by("pk")


# --- steering -------------------------------------------------------------------------------

UNFINISHED = (BulkState.DRAFT, BulkState.QUEUED, BulkState.RUNNING, BulkState.PAUSED)


def start(run: BulkRun, *, reason: str = "") -> None:
    """draft | paused → queued, and a task for it when that commits; BulkRefused when it runs or has ended.

    `reason` goes to the history of every call; one that was given before stays.
    """
    _move(
        run,
        to=BulkState.QUEUED,
        from_=(BulkState.DRAFT, BulkState.PAUSED),
        reason=run.reason or reason,
        started_at=run.started_at or timezone.now(),
    )
    transaction.on_commit(lambda: wake_worker(run.pk, run.kind), robust=True)


def pause(run: BulkRun) -> None:
    """queued | running → paused: the worker stops after its item."""
    _move(run, to=BulkState.PAUSED, from_=(BulkState.QUEUED, BulkState.RUNNING))


def abort(run: BulkRun) -> None:
    """Whatever has not ended → aborted, for good; what is done stays done."""
    _move(run, to=BulkState.ABORTED, from_=UNFINISHED, finished_at=timezone.now())


def progress(run: BulkRun) -> JsonObject:
    """`{"state", "total", "done", "outcomes": {outcome: items}}`."""
    outcomes = dict(run.items.exclude(outcome="").order_by().values_list("outcome").annotate(Count("pk")))
    run.refresh_from_db()
    return {"state": run.state, "total": run.total, "done": sum(outcomes.values()), "outcomes": outcomes}


def _move(run: BulkRun, *, to: BulkState, from_: tuple[BulkState, ...], **changes: Any) -> None:
    moved = BulkRun.objects.filter(pk=run.pk, state__in=from_).update(state=to, **changes)
    run.refresh_from_db()
    if not moved:
        raise BulkRefused(f"Bulk run {run.pk} is {run.state} and cannot become {to.value}.")


def wake_worker(run_id: int, kind: str) -> None:
    """Ask the cluster to work on a run. A file is put together in one go, so an export has more time than others."""
    task, timeout = (EXPORT_TASK, EXPORT_SECONDS + 30) if kind == BulkKind.EXPORT else (BULK_TASK, None)
    send_task(task, run_id, queue=persistence_settings().DOMAIN_PERSIST_QUEUE, timeout=timeout)


def wake_forgotten() -> None:
    """Start a worker for each run that should have one and has none; on every tick."""
    now = timezone.now()
    waiting = BulkRun.objects.filter(state__in=(BulkState.QUEUED, BulkState.RUNNING))
    for run_id, kind in waiting.filter(Q(leased_until=None) | Q(leased_until__lt=now)).values_list("pk", "kind"):
        wake_worker(run_id, kind)
