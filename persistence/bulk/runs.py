"""Bulk runs: the frozen list and its forecast; starting, pausing and aborting what workers do (bulk/worker.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import CharField, Count, F, Q, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from orchestration.clock import database_now
from orchestration.engine.queue.transport import send_task
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.operations import Operation, by_state, operation_of
from orchestration.types import JsonObject
from orchestration.values.moments import EXAMPLE, check_moment
from orchestration.values.plain_text import plain_text
from persistence.bulk.pace import check_pace, near
from persistence.bulk.rehearsal import rehearse
from persistence.bulk.rights import Authority
from persistence.conf import persistence_settings
from persistence.errors import BulkRefused
from persistence.handlers.schema_upgrades import persisted_by_older_code
from persistence.models import BulkItem, BulkRun, BulkState, PersistedChunk
from persistence.models.bulk import EXPORT, FORMAT
from persistence.reprocessing.objections import CallIds
from persistence.reprocessing.reports import Policy
from persistence.tracking.snapshots import KEYS_PER_QUERY

BULK_TASK = "persistence.tasks.run_bulk"
EXPORT_TASK = "persistence.export_tasks.run_export"
"""In a module of its own: what writes spreadsheets takes a worker's time and memory to load."""
MAX_ROWS = 250_000
"""Of one run."""
MAX_VERSION = 2**31 - 1
"""What the column holds."""
KEPT_DRAFTS = timedelta(days=1)
MOST_AHEAD = timedelta(days=7)
"""By which a run can be scheduled: its list and its forecast are as of when they were frozen."""
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
    try:
        plain_text(value)
    except ValueError as error:
        raise BulkRefused(f"The value of {key} {error}.") from None
    if key in FIELDS:
        if key == "state" and value not in PersistState.values:
            raise BulkRefused(f"state is one of {', '.join(PersistState.values)}, not {value!r}.")
        if key == "schema_version" and not (value.isdecimal() and len(value) <= 10 and int(value) <= MAX_VERSION):
            raise BulkRefused(f"schema_version is a whole number up to {MAX_VERSION}, not {value[:80]!r}.")
        return Q(**{FIELDS[key]: value})
    if key in MOMENTS:
        return Q(**{MOMENTS[key]: moment_of(key, value)})
    if key == "handler":
        return Q(pk__in=PersistedChunk.objects.filter(handler_identity=value).values("call_id"))
    if key == "older_code":
        return Q(pk__in=persisted_by_older_code().values("call_id"))
    known = ", ".join([*FIELDS, *MOMENTS, "handler", "older_code"])
    raise BulkRefused(f"There is no filter {key!r}; there are {known}.")


def moment_of(key: str, value: str) -> datetime:
    """The time that somebody wrote as the value of a key; BulkRefused when it is none."""
    try:
        moment = parse_datetime(value)
    except (ValueError, ValidationError):
        moment = None
    if moment is None:
        raise BulkRefused(f"{key} is a time like {EXAMPLE}, not {value!r}.")
    try:
        return check_moment(moment if timezone.is_aware(moment) else timezone.make_aware(moment))
    except ValueError as error:
        raise BulkRefused(f"{key} {error}.") from None


# --- making and steering --------------------------------------------------------------------


def freeze(
    operation: Operation,
    wanted: Mapping[str, str],
    *,
    policy: Policy = Policy.KEEP,
    force: bool = False,
    requested_by: Any = None,
) -> BulkRun:
    """Store the list of calls that match `select` now, to be persisted or reverted. Nothing runs before `start`."""
    options = {"policy": policy.value, "force": force}
    return freeze_rows(operation.key, select(wanted), options=options, asked=dict(wanted), requested_by=requested_by)


def freeze_rows(
    kind: str,
    rows: QuerySet[Any],
    *,
    options: JsonObject | None = None,
    asked: JsonObject | None = None,
    requested_by: Any = None,
    authority: Authority | None = None,
    list_query: str = "",
) -> BulkRun:
    """Store the list of these rows, in their order, as a draft; `asked` says what was asked for, and `list_query` how
    the list of calls is asked for the same again. Who asks from elsewhere than the console has an `authority`.

    What it would do to calls is counted once, now: that reads all of them, and the draft's page is looked at often.
    What only their rows can tell is tried out on a sample. BulkRefused beyond MAX_ROWS; an empty list is a run of 0.
    Drafts that nobody confirmed go after a day.
    """
    BulkRun.objects.filter(state=BulkState.DRAFT, starts_at=None, created_at__lt=database_now() - KEPT_DRAFTS).delete()
    operation = operation_of(kind) if kind != EXPORT else None
    if operation is not None and operation.newest_first:
        rows = ServiceCallRecord.objects.filter(pk__in=rows.values("pk")) if rows.query.is_sliced else rows
        rows = rows.order_by(F("persisted_at").desc(nulls_last=True), "-created_at", "-pk")
    authority = authority or Authority(person=requested_by)
    options = options or {}
    options = options if operation is None else operation.as_frozen(options)
    what: JsonObject = {"kind": kind, "options": options, "filter": asked or {}, "list_query": list_query}
    with transaction.atomic():
        run = BulkRun.objects.create(**what, requested_by=authority.person, **authority.columns())
        run.total = _copy_keys(run, rows)
        if run.total > MAX_ROWS:
            raise BulkRefused(f"More than {MAX_ROWS:,} rows match. Narrow the filter, and use several runs.")
        if operation is not None:
            run.forecast = forecast(run).as_json() | _cost(run, operation)
        run.save(update_fields=["total", "forecast"])
    if operation is not None and operation.is_rehearsed(run.options) and run.forecast["will"]:
        run.forecast["sample"] = rehearse(run, operation).as_json()
        run.save(update_fields=["forecast"])
    return run


def _cost(run: BulkRun, operation: Operation) -> JsonObject:
    """What it would cost, where the operation can say."""
    if operation.estimate is None:
        return {}
    keys = run.items.values("call_id")
    return {"cost": operation.estimate(ServiceCallRecord.objects.filter(pk__in=keys), run.options)}


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
    """Sort the calls of a run by what the operation, and their apps, would say to them now; a query for all of them,
    and one per five hundred that an app objects to."""
    keys, found = run.items.filter(outcome="").values("call_id"), Forecast()
    operation = operation_of(run.kind)
    _count(operation, run, keys, found)
    against = operation.refused_by_apps(keys, run.options) if operation.refused_by_apps is not None else {}
    for reason, some in _by_reason(against):
        refused = Forecast()
        _count(operation, run, some, refused)
        if refused.will:
            found.will -= refused.will
            found.reasons[reason] += refused.will
    return found


def _by_reason(against: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """The calls that apps object to, by the reason."""
    by_reason: dict[str, list[str]] = {}
    for call_id, reason in against.items():
        by_reason.setdefault(reason, []).append(call_id)
    for reason, keys in by_reason.items():
        for start in range(0, len(keys), KEYS_PER_QUERY):
            yield reason, keys[start : start + KEYS_PER_QUERY]


def _count(operation: Operation, run: BulkRun, keys: CallIds, found: Forecast) -> None:
    """Add what would become of these calls by their state."""
    for stand_in, count in by_state(ServiceCallRecord.objects.filter(pk__in=keys)):
        objection = operation.objection(stand_in, run.options)
        if objection:
            found.reasons[objection] += count
        else:
            found.will += count


def open_items(run: BulkRun) -> QuerySet[BulkItem]:
    """What is still to be done, in order."""
    return run.items.filter(outcome="").order_by("pk")


# --- steering -------------------------------------------------------------------------------

UNFINISHED = (BulkState.DRAFT, BulkState.QUEUED, BulkState.RUNNING, BulkState.PAUSED)


def start(run: BulkRun, *, reason: str = "", per_minute: int | None = None, authority: Authority | None = None) -> None:
    """draft | paused → queued, and a task for it when that commits; BulkRefused when it runs or has ended.

    `reason` goes to the history of every call; one that was given before stays. So does a pace: `per_minute` are the
    items that it does a minute at most. From now on it writes in the name of the `authority`; without one in that of
    whoever made it, or started it last.
    """
    check_pace(per_minute)
    _move(
        run,
        to=BulkState.QUEUED,
        from_=(BulkState.DRAFT, BulkState.PAUSED),
        reason=run.reason or reason,
        per_minute=per_minute or run.per_minute,
        started_at=run.started_at or database_now(),
        **_authorized(run, authority),
    )
    transaction.on_commit(lambda: wake_worker(run.pk, run.kind), robust=True)


def _authorized(run: BulkRun, authority: Authority | None) -> JsonObject:
    """With the format: a version that does not look at the rights of a person must not take the run."""
    format_version = max(run.format_version or FORMAT, FORMAT)
    return {"format_version": format_version, **(authority.columns() if authority is not None else {})}


def schedule(
    run: BulkRun,
    at: datetime,
    *,
    reason: str = "",
    per_minute: int | None = None,
    authority: Authority | None = None,
) -> None:
    """A draft that starts by itself at a moment, by the first tick after it; as `start` otherwise.

    BulkRefused when it is not a draft, or the moment is over or more than MOST_AHEAD away.
    """
    check_pace(per_minute)
    now = database_now()
    if not now < at <= now + MOST_AHEAD:
        raise BulkRefused(f"A run can start within the next {MOST_AHEAD.days} days, and not in the past.")
    _move(
        run,
        to=BulkState.DRAFT,
        from_=(BulkState.DRAFT,),
        starts_at=at,
        reason=run.reason or reason,
        per_minute=per_minute or run.per_minute,
        **_authorized(run, authority),
    )


def unschedule(run: BulkRun) -> None:
    """A draft that starts no more by itself, if it has not started; BulkRefused when it has."""
    _move(run, to=BulkState.DRAFT, from_=(BulkState.DRAFT,), starts_at=None)


def start_scheduled() -> None:
    """Start the drafts whose moment has come: each once, whichever process is first, and none that was called off; on
    every tick."""
    now = database_now()
    due = BulkRun.objects.filter(state=BulkState.DRAFT, starts_at__lte=now)
    for run_id, kind in list(due.values_list("pk", "kind")):
        if due.filter(pk=run_id).update(state=BulkState.QUEUED, started_at=now):
            wake_worker(run_id, kind)


def pause(run: BulkRun) -> None:
    """queued | running → paused: the worker stops after its item."""
    _move(run, to=BulkState.PAUSED, from_=(BulkState.QUEUED, BulkState.RUNNING))


def abort(run: BulkRun) -> None:
    """Whatever has not ended → aborted, for good; what is done stays done."""
    _move(run, to=BulkState.ABORTED, from_=UNFINISHED, finished_at=database_now())


def progress(run: BulkRun) -> JsonObject:
    """`{"state", "total", "done", "outcomes": {outcome: items}}`."""
    outcomes = outcomes_of(run)
    run.refresh_from_db()
    return {"state": run.state, "total": run.total, "done": sum(outcomes.values()), "outcomes": outcomes}


def outcomes_of(run: BulkRun) -> dict[str, int]:
    """How many of its items came to what."""
    return dict(run.items.exclude(outcome="").order_by().values_list("outcome").annotate(Count("pk")))


def _move(run: BulkRun, *, to: BulkState, from_: tuple[BulkState, ...], **changes: Any) -> None:
    if not run.compare_and_set("state", from_, state=to, **changes):
        raise BulkRefused(f"Bulk run {run.pk} is {run.state} and cannot become {to.value}.")


def wake_worker(run_id: int, kind: str) -> None:
    """Ask the cluster to work on a run. A file is put together in one go, so an export has more time than others."""
    task, timeout = (EXPORT_TASK, EXPORT_SECONDS + 30) if kind == EXPORT else (BULK_TASK, None)
    send_task(task, run_id, queue=persistence_settings().DOMAIN_PERSIST_QUEUE, timeout=timeout)


def wake_forgotten() -> None:
    """Start a worker for each run that should have one and has none; on every tick."""
    now = database_now()
    waiting = BulkRun.objects.filter(near(now), state__in=(BulkState.QUEUED, BulkState.RUNNING))
    for run_id, kind in waiting.filter(Q(leased_until=None) | Q(leased_until__lt=now)).values_list("pk", "kind"):
        wake_worker(run_id, kind)
