"""Figures about all calls, from rollups and small indexes: what they cost does not grow with the number of calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import Any

import orjson
from django.db.models import Aggregate, Count, Min, Q, QuerySet, Sum, TextField, Value
from django.db.models.functions import Cast

from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.models.prepared_sql import count_together
from orchestration.models.rollups import CallRollup, RollupState, Span, add_counts, percentile
from orchestration.stats.aggregation import LENGTHS, as_cost, floor

COUNTED_UP_TO = 10_000
"""Rows of a queue are counted up to here."""
LATE = timedelta(minutes=1)
"""A longer wait of what is due is an alarm."""


class Period(Enum):
    """How far back figures go: (name, span of one point, number of points)."""

    HOUR = ("1h", Span.MINUTE, 60)
    DAY = ("24h", Span.HOUR, 24)
    WEEK = ("7d", Span.HOUR, 168)
    MONTH = ("30d", Span.DAY, 30)

    @property
    def label(self) -> str:
        return self.value[0]

    @property
    def span(self) -> Span:
        return self.value[1]

    @property
    def points(self) -> int:
        return self.value[2]

    def begin(self, now: datetime) -> datetime:
        """When its first point began; the last one is the present, unfinished span."""
        return floor(now, self.span) - LENGTHS[self.span] * (self.points - 1)

    @classmethod
    def named(cls, name: str) -> Period:
        """By its label; the last hour for anything else."""
        return next((period for period in cls if period.label == name), cls.HOUR)


@dataclass(slots=True)
class Figures:
    """Finished calls summed up; costs in the currency of the prices, tokens of all attempts."""

    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    durations: dict[str, int] = field(default_factory=dict)

    @property
    def finished(self) -> int:
        return self.succeeded + self.failed + self.cancelled

    @property
    def failure_rate(self) -> float:
        """Failed among those that succeeded or failed, 0 to 1."""
        decided = self.succeeded + self.failed
        return self.failed / decided if decided else 0.0

    def latency(self, share: float) -> float | None:
        """In ms, from first claim to end; None when no call ran."""
        return percentile(self.durations, share)

    def add(self, sums: Sequence[Any], errors: Iterable[Any], durations: Iterable[Any]) -> None:
        """`sums` in the order of ADDED; the counts of several rows."""
        succeeded, failed, cancelled, input_tokens, output_tokens, total_tokens, cost, unpriced = sums
        self.succeeded += succeeded
        self.failed += failed
        self.cancelled += cancelled
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.total_tokens += total_tokens
        self.cost += cost
        self.unpriced += unpriced
        for counts in filter(None, errors):  # most are empty
            add_counts(self.errors, counts)
        for counts in durations:
            add_counts(self.durations, counts)


SEPARATOR = "\x1e"
"""Between the counts of two rows; in JSON it cannot stand unescaped."""
ADDED = ("succeeded", "failed", "cancelled", "input_tokens", "output_tokens", "total_tokens", "cost", "unpriced")
added = attrgetter(*ADDED)


@dataclass(slots=True, kw_only=True)
class History:
    """A period of finished calls: all of it, by point in time, and by service and model (costliest first)."""

    period: Period
    since: datetime
    total: Figures = field(default_factory=Figures)
    points: dict[datetime, Figures] = field(default_factory=dict)
    parts: dict[tuple[str, str], Figures] = field(default_factory=dict)
    rolled_at: datetime | None = None
    """When the figures were brought up to date; None: never."""


def history(period: Period, *, now: datetime | None = None) -> History:
    """What finished within a period. Three queries, over rollups alone."""
    since = period.begin(now or database_now())
    found = History(period=period, since=since, points={at: Figures() for at in _starts(period, since)})
    rows = CallRollup.objects.filter(span=period.span, starts_at__gte=since)
    for (at,), *summed in _summed(rows, "starts_at"):
        found.points.setdefault(at, Figures()).add(*summed)
    for (service, model), *summed in _summed(_in_longest_spans(period, since), "service_identity", "model"):
        found.parts.setdefault((service, model), Figures()).add(*summed)
    for point in found.points.values():
        found.total.add(added(point), [point.errors], [point.durations])
    found.parts = dict(sorted(found.parts.items(), key=lambda part: (-part[1].cost, -part[1].finished, part[0])))
    found.rolled_at = RollupState.objects.values_list("rolled_at", flat=True).first()
    return found


def _in_longest_spans(period: Period, since: datetime) -> QuerySet[CallRollup]:
    """The same calls in fewer rows: a week in its days, and the hours before the first whole one."""
    spans = list(Span)
    longer = spans[min(spans.index(period.span) + 1, len(spans) - 1)]
    whole = floor(since, longer)
    if whole < since:
        whole += LENGTHS[longer]
    before = Q(span=period.span, starts_at__gte=since, starts_at__lt=whole)
    return CallRollup.objects.filter(before | Q(span=longer, starts_at__gte=whole))


class _Joined(Aggregate):
    """The texts of a group's rows, with SEPARATOR between them."""

    function = "GROUP_CONCAT"
    output_field = TextField()

    def __init__(self, column: str) -> None:
        super().__init__(Cast(column, TextField()), Value(SEPARATOR))

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        return self.as_sql(compiler, connection, function="STRING_AGG")


def _summed(rows: QuerySet[CallRollup], *by: str) -> Iterator[tuple[Any, Any, Any, Any]]:
    """(values of `by`, sums in the order of ADDED, counts of errors, counts of durations), summed up by the database:
    a week has thousands of rows."""
    summed = {f"sum_{name}": Sum(name) for name in ADDED}
    joined = {"all_errors": _Joined("errors"), "all_durations": _Joined("durations")}
    for row in rows.order_by().values_list(*by).annotate(**summed, **joined):
        sums = [as_cost(value) if isinstance(value, Decimal) else value for value in row[len(by) : -2]]
        yield row[: len(by)], sums, _counts(row[-2]), _counts(row[-1])


def _counts(joined: str) -> list[Any]:
    """The counts of several rows, parsed together; nothing for one that is not JSON."""
    try:
        return list(orjson.loads(f"[{joined.replace(SEPARATOR, ',')}]"))
    except ValueError:
        apart = joined.split(SEPARATOR)
        return [counts for text in apart for counts in _counts(text)] if len(apart) > 1 else []


def _starts(period: Period, since: datetime) -> Iterator[datetime]:
    return (since + LENGTHS[period.span] * step for step in range(period.points))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A number of rows; `more`: there are more than were counted."""

    count: int
    more: bool

    def __str__(self) -> str:
        return f"{self.count:,}+" if self.more else f"{self.count:,}"


def counted(rows: QuerySet[ServiceCallRecord]) -> Counted:
    """Rows counted up to COUNTED_UP_TO, by an index that finds them."""
    return _up_to(_some(rows).count())


def counted_each(*found: QuerySet[ServiceCallRecord]) -> list[Counted]:
    """The same of several, in one query."""
    return [_up_to(number) for number in count_together(*map(_some, found))]


def _some(rows: QuerySet[ServiceCallRecord]) -> QuerySet[ServiceCallRecord, Any]:
    return rows.order_by().values("pk")[: COUNTED_UP_TO + 1]


def _up_to(found: int) -> Counted:
    return Counted(count=min(found, COUNTED_UP_TO), more=found > COUNTED_UP_TO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """What is waiting now."""

    queued: Counted
    running: int
    oldest_waiting: timedelta | None
    """Of the calls that are due; None when none waits."""
    pending: Counted
    """Results that are to become domain objects."""
    drain_lag: timedelta | None
    """How long the longest waiting of them has been due."""
    dead: Counted
    held: Counted
    """They wait for a person's decision."""


def queues(*, now: datetime | None = None) -> Queues:
    """Three queries, each over indexes of the rows it is about."""
    moment = now or database_now()
    calls = ServiceCallRecord.objects.all()
    due_at = _first(calls.due(moment), "due_at")
    next_at = _first(calls.pending_persistence(moment), "next_persist_at")
    waiting = (calls.queued(), calls.in_persist_state("pending"), calls.dead(), calls.held())
    running, *counts = count_together(calls.running().order_by().values("pk"), *map(_some, waiting))
    queued, pending, dead, held = map(_up_to, counts)
    return Queues(
        queued=queued,
        running=running,
        oldest_waiting=moment - due_at if due_at else None,
        pending=pending,
        drain_lag=moment - next_at if next_at else None,
        dead=dead,
        held=held,
    )


def _first(calls: ServiceCallQuerySet, column: str) -> datetime | None:
    """The least value of a column, read from the index that begins with it, whatever the statistics say of the rows."""
    return calls.order_by(column).values_list(column, flat=True).first()


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Calls of one service that run on one node."""

    node: str
    service: str
    calls: int
    since: datetime | None
    """When the first of them was first claimed."""


def running_by_node() -> list[Running]:
    """What workers run, by node and service; one query over the calls that run."""
    rows = (
        ServiceCallRecord.objects.running()
        .order_by()
        .values_list("worker", "service_identity")
        .annotate(Count("pk"), Min("started_at"))
    )
    return sorted(_by_node(rows), key=lambda entry: (entry.node, -entry.calls, entry.service))


def _by_node(rows: Iterable[tuple[str, str, int, datetime | None]]) -> Iterator[Running]:
    merged: dict[tuple[str, str], tuple[int, list[datetime]]] = {}
    for worker, service, calls, since in rows:
        key = (worker.partition(":")[0], service)
        count, begun = merged.get(key, (0, []))
        merged[key] = (count + calls, [*begun, since] if since else begun)
    for (node, service), (count, begun) in merged.items():
        yield Running(node=node, service=service, calls=count, since=min(begun, default=None))
