"""Aggregates finished calls into rollups, from the rows, without delaying running calls.

Every run sums up the minutes that may still get calls (the last two, for clocks that differ and commits that take a
while), and any older minute that a mark names. It replaces what stood there, so running it twice, at the same time or
not at all for a week ends in the same figures. Nothing is open while it reads; a compare-and-set on the state decides
whose figures are written.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from operator import attrgetter
from typing import Any

from django.db import connection, transaction

from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.rollups import (
    BOUND_RATIO,
    FIRST_BOUND_MS,
    LAST_BUCKET,
    CallRollup,
    RollupMark,
    RollupState,
    Span,
    add_counts,
)
from orchestration.values.moments import EARLIEST, LATEST, is_in_range

UNSETTLED = timedelta(minutes=2)
"""A finish is committed, and every clock right, within this time."""
SLICE = 20_000
"""Calls that are summed up at once."""
MARKS = 500
MINUTES_KEPT = timedelta(hours=48)
"""Older than this there are hours and days alone: most minutes hold no more than a call of each kind."""
MINUTE = timedelta(minutes=1)
LENGTHS = {Span.MINUTE: MINUTE, Span.HOUR: timedelta(hours=1), Span.DAY: timedelta(days=1)}
SUMMED = (
    *("succeeded", "failed", "cancelled", "input_tokens", "cached_input_tokens", "output_tokens"),
    *("reasoning_tokens", "total_tokens", "cost", "unpriced"),
)
summed = attrgetter(*SUMMED)

Key = tuple[datetime, str, str]
"""Start, service, model."""


@dataclass(slots=True)
class Tally:
    """The sums of one rollup row."""

    sums: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(SUMMED, 0))
    errors: dict[str, int] = field(default_factory=dict)
    durations: dict[str, int] = field(default_factory=dict)
    highest_cost: Decimal | None = None
    costliest_call: str = ""

    def add(self, sums: dict[str, Any], errors: dict[str, int], durations: dict[str, int]) -> None:
        for name, value in sums.items():
            self.sums[name] += value
        add_counts(self.errors, errors)
        add_counts(self.durations, durations)

    def saw_cost(self, cost: Decimal | None, call_id: str) -> None:
        if cost is not None and (self.highest_cost is None or cost > self.highest_cost):
            self.highest_cost, self.costliest_call = cost, call_id

    def row(self, span: Span, key: Key) -> CallRollup:
        starts_at, service, model = key
        return CallRollup(
            span=span,
            starts_at=starts_at,
            service_identity=service,
            model=model,
            errors=self.errors,
            durations=self.durations,
            highest_cost=self.highest_cost,
            costliest_call=self.costliest_call,
            **self.sums,
        )


def roll_up(
    *, now: datetime | None = None, seconds: float = math.inf, at_most_every: float = 0.0, afresh: bool = False
) -> bool:
    """Bring the rollups up to date; False when another process does so, or did less than `at_most_every` seconds ago.

    Ends after about `seconds`, wherever it is; the next run continues from there. `afresh`: from the first call on, for
    rows that came from elsewhere, such as an old database.
    """
    moment, deadline = now or database_now(), time.monotonic() + seconds
    state = RollupState.read()
    if state.rolled_at is not None and abs(moment - state.rolled_at) < timedelta(seconds=at_most_every):
        return False
    settled = (None if afresh else state.settled_until) or _first_minute(moment)
    if not _repeat_marked(state, settled, moment):
        return False
    bound, fine = floor(moment - UNSETTLED, Span.MINUTE), fine_from(moment)
    begin: datetime | None = settled
    while begin is not None:
        span = Span.MINUTE if begin >= fine else Span.HOUR
        begin = floor(begin, span)
        end = _slice_end(begin, span, fine)
        tallies = tally(span, begin, end)
        settled = max(settled, bound if end is None else min(end, bound))
        with transaction.atomic():
            if not state.advance(settled_until=settled, rolled_at=moment):
                return False
            _replace(span, tallies, begin, end)
        begin = end if time.monotonic() < deadline else None
    CallRollup.objects.filter(span=Span.MINUTE, starts_at__lt=fine).delete()
    return True


def fine_from(now: datetime) -> datetime:
    """From this hour on there are minutes."""
    return floor(now - MINUTES_KEPT, Span.HOUR)


def floor(moment: datetime, span: Span) -> datetime:
    """When the span that holds a moment began, in UTC."""
    moment = moment.astimezone(UTC).replace(second=0, microsecond=0)
    if span != Span.MINUTE:
        moment = moment.replace(minute=0)
    return moment.replace(hour=0) if span == Span.DAY else moment


def _first_minute(now: datetime) -> datetime:
    times = ServiceCallRecord.objects.filter(finished_at__gte=EARLIEST).order_by("finished_at")
    first = times.values_list("finished_at", flat=True).first() or now - UNSETTLED
    return floor(max(EARLIEST, min(first, now - UNSETTLED)), Span.MINUTE)


def _slice_end(begin: datetime, span: Span, fine: datetime) -> datetime | None:
    """The start of a span before which at least SLICE calls finished, hours not beyond `fine`; None when fewer are
    left."""
    times = ServiceCallRecord.objects.filter(finished_at__gte=begin).order_by("finished_at")
    last = next(iter(times.values_list("finished_at", flat=True)[SLICE : SLICE + 1]), None)
    last = last if last is None or is_in_range(last) else None
    if span == Span.MINUTE:
        return None if last is None else floor(last, span) + MINUTE
    return fine if last is None else min(floor(last, span) + LENGTHS[span], fine)


def _repeat_marked(state: RollupState, settled: datetime, now: datetime) -> bool:
    """Sum up the settled spans that are marked; later ones come anyway."""
    fine = fine_from(now)
    while marks := list(RollupMark.objects.order_by("id")[:MARKS]):
        spans = [(Span.MINUTE if mark.at >= fine else Span.HOUR, mark.at) for mark in marks if mark.at < settled]
        found = []
        for span, begin in sorted({(span, floor(at, span)) for span, at in spans}):
            end = begin + LENGTHS[span]
            found.append((span, tally(span, begin, end), begin, end))
        with transaction.atomic():
            if not state.advance(settled_until=settled, rolled_at=now):
                return False
            for again in found:
                _replace(*again)
            RollupMark.objects.filter(pk__in=[mark.pk for mark in marks]).delete()
    return True


def _replace(span: Span, tallies: dict[Key, Tally], begin: datetime, end: datetime | None) -> None:
    """Write what was summed up from `begin` to `end`, and the hours and days that hold it."""
    _write(span, tallies, begin, end)
    for finer, coarser in pairwise(Span):
        if finer == span or span == Span.MINUTE:
            first = floor(begin, coarser)
            last = None if end is None else floor(end - MINUTE, coarser) + LENGTHS[coarser]
            _write(coarser, _summed_up(finer, coarser, first, last), first, last)


def _write(span: Span, tallies: dict[Key, Tally], begin: datetime, end: datetime | None) -> None:
    _within(span, begin, end).delete()
    CallRollup.objects.bulk_create([tally.row(span, key) for key, tally in tallies.items()], batch_size=500)


def _within(span: Span, begin: datetime, end: datetime | None) -> Any:
    rows = CallRollup.objects.filter(span=span, starts_at__gte=begin)
    return rows if end is None else rows.filter(starts_at__lt=end)


def _summed_up(finer: Span, span: Span, begin: datetime, end: datetime | None) -> dict[Key, Tally]:
    """The rows of a finer span, as tallies of `span`."""
    tallies: dict[Key, Tally] = {}
    for row in _within(finer, begin, end).order_by():
        found = tallies.setdefault((floor(row.starts_at, span), row.service_identity, row.model), Tally())
        found.add(dict(zip(SUMMED, summed(row), strict=True)), row.errors, row.durations)
        found.saw_cost(row.highest_cost, row.costliest_call)
    return tallies


# --- the rows -------------------------------------------------------------------------------


def tally(span: Span, begin: datetime, end: datetime | None) -> dict[Key, Tally]:
    """What the calls that finished from `begin` until before `end` come to, by minute or hour, service and model."""
    tallies: dict[Key, Tally] = {}
    for start, service, model, status, code, bucket, count, *sums, cost, unpriced, highest, call_id in _groups(
        span, begin, end
    ):
        found = tallies.setdefault((_moment(start), service, model), Tally())
        tokens = dict(zip(SUMMED[3:8], sums, strict=True))
        found.add(
            {status: count, **tokens, "cost": as_cost(cost) or Decimal(0), "unpriced": unpriced},
            {} if status == "succeeded" else {code: count},
            {} if bucket is None else {str(min(int(bucket), LAST_BUCKET)): count},
        )
        found.saw_cost(as_cost(highest), call_id)
    return tallies


def _groups(span: Span, begin: datetime, end: datetime | None) -> Iterator[tuple[Any, ...]]:
    bounds = (begin, end or LATEST)
    with connection.cursor() as cursor:
        cursor.execute(_sql(span), [connection.ops.adapt_datetimefield_value(at) for at in bounds])
        yield from cursor.fetchall()


def _sql(span: Span) -> str:
    # A time that cannot be read counts nowhere, and stops nothing.
    if connection.vendor == "postgresql":
        start = f"date_trunc('{span.value}', finished_at, 'UTC')"
        ms = "(EXTRACT(EPOCH FROM finished_at - started_at) * 1000)::float8"
        costliest = "(array_agg(id ORDER BY cost DESC NULLS LAST))[1]"
        started, finished = "isfinite(started_at)", ""
    else:
        started, finished = "julianday(started_at) IS NOT NULL", "AND julianday(finished_at) IS NOT NULL"
        start = f"substr(finished_at, 1, {16 if span == Span.MINUTE else 13})"
        ms = "(julianday(finished_at) - julianday(started_at)) * 86400000.0"
        costliest = "id"  # of the row that max(cost) was found in: documented for a query with one max()
    step = math.log(BOUND_RATIO)
    tokens = ", ".join(f"sum({name})" for name in SUMMED[3:8])
    return f"""
        SELECT start, service_identity, model, status, error_code, bucket, count(*), {tokens},
            sum(cost), sum(CASE WHEN total_tokens > 0 AND cost IS NULL THEN 1 ELSE 0 END), max(cost), {costliest}
        FROM (
            SELECT id, {start} AS start, service_identity, COALESCE(NULLIF(model, ''), model_requested) AS model,
                status, error_code, {", ".join(SUMMED[3:8])}, cost,
                CASE
                    WHEN started_at IS NULL OR NOT {started} THEN NULL
                    WHEN {ms} < {FIRST_BOUND_MS} THEN 0
                    ELSE CAST(FLOOR(LN({ms} / {FIRST_BOUND_MS}) / {step}) AS integer) + 1
                END AS bucket
            FROM service_call_record
            WHERE finished_at >= %s AND finished_at < %s {finished}
                AND status IN ('succeeded', 'failed', 'cancelled')
        ) AS finished
        GROUP BY start, service_identity, model, status, error_code, bucket
    """  # noqa: S608 - built from the constants above; both times are parameters


def _moment(start: datetime | str) -> datetime:
    return datetime.fromisoformat(start).replace(tzinfo=UTC) if isinstance(start, str) else start.astimezone(UTC)


def as_cost(value: Any) -> Decimal | None:
    """SQLite sums in floating point, exact enough for eight places."""
    return None if value is None else Decimal(value).quantize(Decimal("0.00000001"))
