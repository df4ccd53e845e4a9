"""What is broken right now, in a sentence each with its remedy, for the top of every page of the console.

What it costs does not depend on the number of pages that are open: a process looks at most once a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q

from orchestration.clock import database_now
from orchestration.conf import clients_settings
from orchestration.engine.execution.throttle_feedback import BROKEN
from orchestration.engine.queue.overdue import longest_due, longest_pending
from orchestration.engine.queue.unreadable_rows import UNREADABLE
from orchestration.engine.queue.waiting import waits_of
from orchestration.models import AIRequestAudit, AIResponseAudit, ProviderCircuit, ServiceCallRecord, WorkerNode
from orchestration.models.engine_events import EngineEvent, EventKind
from orchestration.models.throttles import CircuitState
from orchestration.stats.figures import LATE

CACHE_SECONDS = 1.0
POLL_SECONDS = 2
"""How often an open page asks."""
A_DAY = timedelta(days=1)
UNANSWERED = timedelta(seconds=30)
"""A provider that answers nothing for this long hangs, however slow it was before."""
UNUSUAL = timedelta(seconds=6)
"""So does one that is silent for this long, if that is also SLOWER times what its slowest recent answer took."""
SLOWER = 2
ANSWERS = 200
"""Of all providers: what is known about how long they take of late."""
IN_A_ROW = 3
"""Failures in a row that are worth a word before the circuit opens."""
RECENT = timedelta(minutes=5)
"""Since when failures in a row count, and processes that were replaced are told."""
TOGETHER = timedelta(seconds=10)
"""What ended within this time of each other has one cause."""
REPLACED = {
    EventKind.KILLED.value: "A worker process was killed",
    EventKind.RESTART.value: "A cluster of workers was restarted",
}
REPLACED_AT_MOST = 100
NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that is wrong."""

    code: str
    level: str
    """`error`: calls stand still. `warning`: they will, or something is lost. `info`: worth knowing."""
    text: str
    remedy: str
    page: str
    """The name of a page of the admin, without `admin:`."""
    query: dict[str, str] = field(default_factory=dict)
    call_id: str = ""
    """The only argument of the page, if it is that of a call."""


def alerts(now: datetime | None = None) -> list[Alert]:
    """All that is wrong, the worst first. Sixteen small queries at most."""
    moment = now or database_now()
    found = [alert for find in FINDERS for alert in find(moment)]
    return sorted(found, key=lambda alert: LEVELS.index(alert.level))


LEVELS = ("error", "warning", "info")


@dataclass(slots=True)
class _Latest:
    found: list[Alert] = field(default_factory=list)
    looked_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


_latest = _Latest()


def latest_alerts(*, refresh: bool = True) -> list[Alert]:
    """`alerts`, at most a second old; with `refresh=False` what was found last, within ten seconds, without a query."""
    age = time.monotonic() - _latest.looked_at
    if age < CACHE_SECONDS or not refresh:
        return _latest.found if age < 10 * CACHE_SECONDS else []
    with _latest.lock:
        if time.monotonic() - _latest.looked_at >= CACHE_SECONDS:
            _latest.found, _latest.looked_at = alerts(), time.monotonic()
    return _latest.found


def forget_alerts() -> None:
    """Look again when next asked."""
    _latest.looked_at = float("-inf")


# --- what is checked -------------------------------------------------------------------------


def _workers(now: datetime) -> Iterator[Alert]:
    nodes = list(WorkerNode.objects.filter(beat_at__gte=now - A_DAY).order_by("-beat_at"))
    alive = [node for node in nodes if node.state(now) == "healthy"]
    silent = [node for node in nodes if node.state(now) == "silent" and not node.stopping]
    named = ", ".join(f"{node.name} silent for {_ago(now, node.beat_at)}" for node in silent[:NAMED])
    if not alive:
        running = ServiceCallRecord.objects.running().count()
        shown = f" {_counted(running, 'call is', 'calls are')} shown as running and" if running else ""
        shown += (" is not." if running == 1 else " are not.") if running else ""
        yield Alert(
            code="no_worker",
            level="error",
            text=f"No worker is alive{f' ({named})' if named else ''}: calls wait.{shown}",
            remedy="Start manage.py qcluster",
            page="orchestration_workernode_changelist",
        )
    elif silent:
        yield Alert(
            code="silent_worker",
            level="warning",
            text=f"A worker node is gone: {named}.",
            remedy="Start it again; after a day it is no longer listed",
            page="orchestration_workernode_changelist",
        )
    off = [node for node in alive if node.is_clock_off]
    if off:
        clocks = ", ".join(f"{node.name} {node.clock_offset:+.1f} s" for node in off[:NAMED])
        yield Alert(
            code="clock_skew",
            level="warning",
            text=f"Clocks differ from the database's: {clocks}.",
            remedy="Synchronize them (NTP)",
            page="orchestration_workernode_changelist",
        )


def _replaced(now: datetime) -> Iterator[Alert]:
    events = EngineEvent.objects.filter(kind__in=REPLACED, at__gte=now - RECENT).order_by("-at")
    found = list(events.values_list("kind", "about", "at")[:REPLACED_AT_MOST])
    if found:
        kind, about, at = _first_of(found)
        others = f"; {len(found) - 1} more within {RECENT.seconds // 60} min" if len(found) > 1 else ""
        yield Alert(
            code="replaced",
            level="warning",
            text=f"{REPLACED[kind]} {_ago(now, at)} ago ({about}{others}). Another one runs its calls.",
            remedy="See what happened; if it repeats, check whether the machine is short of memory",
            page="index",
        )


def _first_of(found: Sequence[tuple[str, str, datetime]]) -> tuple[str, str, datetime]:
    """The newest one; of what ended together with it, the cluster, which took its workers along."""
    together = [one for one in found if found[0][2] - one[2] <= TOGETHER]
    return next((one for one in together if one[0] == EventKind.RESTART), found[0])


def _providers(now: datetime) -> Iterator[Alert]:
    failing = Q(failures__gte=IN_A_ROW, failing_since__gte=now - RECENT)
    for circuit in ProviderCircuit.objects.filter(~Q(state=CircuitState.CLOSED) | failing):
        is_open = circuit.state != CircuitState.CLOSED
        error = f" ({circuit.last_error_code})" if circuit.last_error_code else ""
        yield Alert(
            code="circuit_open" if is_open else "provider_fails",
            level="error" if is_open else "warning",
            text=f"The provider of client {circuit.client} is down{error}: its circuit is open, and its calls wait."
            if is_open
            else f"The provider of client {circuit.client} failed {circuit.failures} times in a row{error}.",
            remedy="Look at its failed calls; it continues by itself when it answers again",
            page="orchestration_providercircuit_changelist",
        )


def _unanswered(now: datetime) -> Iterator[Alert]:
    pending = AIRequestAudit.objects.pending().filter(call__lease_expires_at__gte=now)  # their workers live
    sent = pending.order_by().values("client_name").annotate(first=Min("dispatched_at"), requests=Count("pk"))
    waiting = [row for row in sent.order_by("client_name") if now - row["first"] >= UNUSUAL]
    answers = _latest_answers() if waiting else {}
    for row in waiting:
        last, slowest = answers.get(row["client_name"], (None, None))
        silent = now - max(row["first"], last or row["first"])
        patience = UNANSWERED if slowest is None else min(UNANSWERED, max(UNUSUAL, SLOWER * slowest))
        if silent < patience:
            continue
        usual = f" It took at most {slowest.total_seconds():.1f} s of late." if slowest is not None else ""
        yield Alert(
            code="unanswered",
            level="error" if silent >= UNANSWERED else "warning",
            text=f"The provider of client {row['client_name']} has not answered for {silent.seconds} s:"
            f" {_counted(row['requests'], 'request waits', 'requests wait')}.{usual}",
            remedy="Check it with manage.py ai_healthcheck, or pause its models",
            page="orchestration_airequestaudit_changelist",
            query={"outcome__exact": "pending"},
        )


def _latest_answers() -> dict[str, tuple[datetime, timedelta]]:
    """By client, of the newest answers of all: when the last one came, and how long the slowest took. A timeout is no
    answer."""
    found: dict[str, tuple[datetime, timedelta]] = {}
    newest = AIResponseAudit.objects.order_by("-received_at").values_list(
        "ai_request__client_name", "received_at", "latency_ms", "error_code"
    )
    for client, received_at, latency, error_code in newest[:ANSWERS]:
        if error_code not in BROKEN:
            last, slowest = found.get(client, (received_at, timedelta()))
            found[client] = (last, max(slowest, timedelta(milliseconds=latency)))
    return found


def _overdue(now: datetime) -> Iterator[Alert]:
    first = longest_due(now - LATE)
    if first is not None:
        why = waits_of(first, now)[0]
        yield Alert(
            code="overdue",
            level="warning",
            text=f"A call is overdue for {_ago(now, first.due_at)}. {why.why}.",
            remedy=why.remedy.rstrip("."),
            page="orchestration_servicecallrecord_change",
            call_id=first.pk,
        )
    pending = longest_pending(now - LATE)
    due = pending.next_persist_at if pending is not None else None
    if pending is not None and due is not None:
        yield Alert(
            code="drain_overdue",
            level="warning",
            text=f"A result has waited for {_ago(now, due)} to become rows.",
            remedy="Look at the workers: persistence is done by a task of theirs",
            page="orchestration_servicecallrecord_change",
            call_id=pending.pk,
        )


def _set_aside(now: datetime) -> Iterator[Alert]:
    aside = ServiceCallRecord.objects.failed().filter(error_code=UNREADABLE, error_code__gt="").order_by()
    calls = aside.values("pk")[:1000].count()
    if calls:
        yield Alert(
            code="set_aside",
            level="warning",
            text=f"{_counted(calls, 'call is', 'calls are')} set aside: what is stored in them cannot be read.",
            remedy="Correct the columns that their error names, and retry them",
            page="orchestration_servicecallrecord_changelist",
            query={"error_code": UNREADABLE},
        )


def _simulated(now: datetime) -> Iterator[Alert]:
    names = [name for name, client in clients_settings().clients.items() if client.provider == "simulator"]
    if names:
        yield Alert(
            code="simulated",
            level="info",
            text=f"Answers are simulated ({', '.join(names[:NAMED])}): no model is asked.",
            remedy="Set ORCA_PROVIDER and a key to ask one",
            page="orchestration_servicecallrecord_changelist",
        )


FINDERS: tuple[Callable[[datetime], Iterator[Alert]], ...] = (
    _workers,
    _replaced,
    _providers,
    _unanswered,
    _overdue,
    _set_aside,
    _simulated,
)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _ago(now: datetime, then: datetime) -> str:
    seconds = max(0, int((now - then).total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
