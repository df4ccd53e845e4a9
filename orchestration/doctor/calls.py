"""Topics of the engine: workers, calls that wait or are stuck, requests, providers, prices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.core import checks
from django.core.checks import CheckMessage, Error

from orchestration.clock import database_now
from orchestration.conf import engine_settings
from orchestration.doctor.examinations import Examination, fact
from orchestration.engine.lag import TOLERATED_SECONDS
from orchestration.models import AIRequestAudit, Pause, ProviderCircuit, RateLimit, ServiceCallRecord, WorkerNode
from orchestration.models.states import Status
from orchestration.stats.figures import LATE, Period, history, queues

A_DAY = timedelta(days=1)
STUCK_AFTER = timedelta(minutes=2)
"""A lease that ran out this long ago should have been taken over; a request that long without its call, settled."""
NAMED = 5


def workers() -> Iterator[CheckMessage]:
    """E211: none is seen. W211: one is silent. E212: one runs no tasks. W212: one is behind."""
    now = database_now()
    seen = list(WorkerNode.objects.seen(now))
    if not seen:
        yield Error(
            "No worker was seen within a minute: calls wait.",
            hint="Start `manage.py qcluster` on a machine for workers.",
            id="orchestration.E211",
        )
    silent = WorkerNode.objects.filter(stopping=False, beat_at__gte=now - A_DAY).exclude(pk__in=[n.pk for n in seen])
    for node in silent:
        yield checks.Warning(
            f"The node {node.name} on {node.host} is silent since {node.beat_at:%Y-%m-%d %H:%M} UTC.",
            hint="Start it again, or leave it: after a day it is no longer listed.",
            id="orchestration.W211",
        )
    patience = timedelta(seconds=4 * engine_settings().WEDGED_AFTER_SECONDS)
    for node in seen:
        if now - (node.task_beat_at or node.started_at) > patience:
            yield Error(
                f"The node {node.name} beats, but its cluster runs no tasks; {node.restarts} restarts"
                f" ({node.last_restart_reason or 'no reason noted'}).",
                hint="Read its log; then stop it with SIGTERM and start it again.",
                id="orchestration.E212",
            )
        if (node.lag_seconds or 0.0) > TOLERATED_SECONDS:
            yield checks.Warning(
                f"The slowest worker of the node {node.name} is {node.lag_seconds:.1f} s late.",
                hint="Give it fewer calls (ORCHESTRAI['CONCURRENCY']), a faster database, or a node beside it.",
                id="orchestration.W212",
            )
    yield fact(f"{len(seen)} seen: {', '.join(node.name for node in seen[:NAMED])}")


def waiting() -> Iterator[CheckMessage]:
    """E213: due calls wait for more than a minute."""
    found = queues()
    if found.oldest_waiting is not None and found.oldest_waiting > LATE:
        yield Error(
            f"{found.queued} calls are queued, and the oldest of those that are due waits for"
            f" {found.oldest_waiting.total_seconds():.0f} s.",
            hint="Mend what workers, providers and broker say; if those are well, add a node.",
            id="orchestration.E213",
        )
    yield fact(f"{found.queued} queued, {found.running} running")


def stuck() -> Iterator[CheckMessage]:
    """E214: calls whose lease ran out. E215: requests that are pending without a call that runs."""
    before = database_now() - STUCK_AFTER
    calls = ServiceCallRecord.objects.expired(before).count()
    if calls:
        yield Error(
            f"{calls} calls run with a lease that ran out minutes ago: no sweep takes them over.",
            hint="Start a node of the default cluster, whose schedule `orchestration sweep` does it.",
            id="orchestration.E214",
        )
    left = AIRequestAudit.objects.pending().filter(dispatched_at__lt=before).exclude(call__status=Status.RUNNING)
    requests = left.count()
    if requests:
        yield Error(
            f"{requests} requests are pending, and their calls do not run.",
            hint="Retry their calls in the console; if it happens again, report it.",
            id="orchestration.E215",
        )
    yield fact("none")


def attempts() -> Iterator[CheckMessage]:
    """W216: requests of the last day whose answer nobody knows."""
    unknown = AIRequestAudit.objects.unknown().filter(dispatched_at__gte=database_now() - A_DAY).count()
    if unknown:
        yield checks.Warning(
            f"The answers to {unknown} requests of the last day are unknown: workers died, or were stopped, with"
            " them in flight. Their calls continued, and they may have been billed.",
            hint="Compare with the provider's bill: console, AI requests, outcome unknown. Stop nodes by SIGTERM.",
            id="orchestration.W216",
        )
    yield fact("no unknown ones in the last day")


def providers() -> Iterator[CheckMessage]:
    """E217: an open circuit. W217: a wait that the provider asked for. W218: a pause."""
    for circuit in ProviderCircuit.objects.exclude(state="closed"):
        yield Error(
            f"The circuit of the client {circuit.client} is {circuit.state.replace('_', ' ')}"
            f" ({circuit.last_error_code or 'no error noted'}): its calls wait.",
            hint="It closes by itself when the provider answers again; `manage.py ai_healthcheck` says if it does.",
            id="orchestration.E217",
        )
    for limit in RateLimit.objects.filter(blocked_until__gt=database_now()):
        yield checks.Warning(
            f"The provider of {limit.pattern} asked to wait until {limit.blocked_until:%H:%M:%S} UTC.",
            hint="Wait; if it happens often, set a limit for this model in the console (Rate limits).",
            id="orchestration.W217",
        )
    for pause in Pause.objects.all():
        yield checks.Warning(
            f"The {pause.kind} {pause.name} has been paused since {pause.paused_at:%Y-%m-%d %H:%M} UTC.",
            hint=f'`manage.py resume {pause.kind} "{pause.name}"` when the reason is gone.',
            id="orchestration.W218",
        )
    yield fact("every circuit is closed, nothing is paused")


def prices() -> Iterator[CheckMessage]:
    """W219: models that answered within a day and have no price."""
    parts = history(Period.DAY).parts.items()
    unpriced = sorted({model for (_, model), figures in parts if figures.unpriced})
    if unpriced:
        yield checks.Warning(
            f"Calls of the last day have no cost, because these models have no price: {', '.join(unpriced[:NAMED])}.",
            hint="Add prices in the console (Prices), then `manage.py reprice --apply`.",
            id="orchestration.W219",
        )
    yield fact("every call of the last day has one")


EXAMINATIONS = (
    Examination(topic="workers", look=workers),
    Examination(topic="calls", look=waiting),
    Examination(topic="stuck rows", look=stuck),
    Examination(topic="attempts", look=attempts),
    Examination(topic="providers", look=providers),
    Examination(topic="prices", look=prices),
)
