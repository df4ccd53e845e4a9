"""`/metrics` for Prometheus: aggregate figures about all calls, in the text format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from orchestration.clock import database_now
from orchestration.models import EngineCounter, Pause, ProviderCircuit, WorkerNode
from orchestration.models.content import ContentFile
from orchestration.models.rollups import CallRollup, Span
from orchestration.monitoring.insiders import for_insiders
from orchestration.stats.added_metrics import Sample, added_metrics
from orchestration.stats.figures import queues

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@require_safe
@for_insiders
def metrics(request: HttpRequest) -> HttpResponse:
    """503 while the database is away. For machines inside the network: do not publish it through a proxy."""
    try:
        lines = list(_lines())
    except DatabaseError:
        return HttpResponse("# the database does not answer\n", status=503, content_type=CONTENT_TYPE)
    return HttpResponse("\n".join([*lines, ""]), content_type=CONTENT_TYPE)


def _lines() -> Iterator[str]:
    now = database_now()
    found = queues(now=now)
    waiting = {
        "queued": found.queued,
        "persistence_pending": found.pending,
        "persistence_held": found.held,
        "persistence_dead": found.dead,
    }
    states: list[Sample] = [({"state": state}, counted.count) for state, counted in waiting.items()]
    states.append(({"state": "running"}, found.running))
    yield from _metric("calls", "gauge", "Calls by where they are; waiting ones are counted up to 10,000.", states)
    yield from _metric("oldest_due_seconds", "gauge", "Age of the oldest due call.", [({}, _age(found.oldest_waiting))])
    yield from _metric("drain_lag_seconds", "gauge", "Age of the oldest due result.", [({}, _age(found.drain_lag))])
    seen = list(WorkerNode.objects.seen(now))
    yield from _metric("workers", "gauge", "Worker nodes that were seen within a minute.", [({}, len(seen))])
    offsets = [({"node": node.name}, node.clock_offset) for node in seen if node.clock_offset is not None]
    yield from _metric("clock_offset_seconds", "gauge", "How far a node's clock is ahead of the database's.", offsets)
    lags = [({"node": node.name}, node.lag_seconds) for node in seen if node.lag_seconds is not None]
    yield from _metric("worker_lag_seconds", "gauge", "How late a node's slowest worker was at its last beat.", lags)
    yield from _metric("pauses", "gauge", "Services and models that are paused.", [({}, Pause.objects.count())])
    circuits = [({"client": row.client}, float(row.state != "closed")) for row in ProviderCircuit.objects.all()]
    yield from _metric("circuit_open", "gauge", "1 while a client's circuit is not closed.", circuits)
    counters = [({"name": row.name}, float(row.value)) for row in EngineCounter.objects.order_by("name")]
    yield from _metric("engine_total", "counter", "What the engine counted.", counters)
    yield from _finished()
    yield from _content()
    for added in added_metrics():
        yield from _metric(*added)


def _finished() -> Iterator[str]:
    """From the daily rollups, which are kept for ever and updated every minute."""
    names = ("succeeded", "failed", "cancelled", "input_tokens", "output_tokens", "cost")
    rows: list[Any] = list(
        CallRollup.objects.filter(span=Span.DAY)
        .order_by("service_identity", "model")
        .values("service_identity", "model")
        .annotate(**{f"all_{name}": Sum(name) for name in names})
    )
    labels = [{"service": row["service_identity"], "model": row["model"]} for row in rows]

    def of(name: str, **more: str) -> list[Sample]:
        return [({**label, **more}, float(row[f"all_{name}"])) for label, row in zip(labels, rows, strict=True)]

    ends = [sample for status in ("succeeded", "failed", "cancelled") for sample in of(status, status=status)]
    yield from _metric("calls_finished_total", "counter", "Finished calls.", ends)
    used = [*of("input_tokens", kind="input"), *of("output_tokens", kind="output")]
    yield from _metric("tokens_total", "counter", "Tokens of finished calls.", used)
    yield from _metric("cost_total", "counter", "Cost of finished calls, in the currency of the prices.", of("cost"))


def _content() -> Iterator[str]:
    rows = ContentFile.objects.order_by("media_type").values_list("media_type").annotate(Count("pk"), Sum("size"))
    stored = [({"media_type": media_type}, count, size) for media_type, count, size in rows]
    files = [(label, float(count)) for label, count, _ in stored]
    yield from _metric("content_files", "gauge", "Images, audio and files that are stored.", files)
    sizes = [(label, float(size)) for label, _, size in stored]
    yield from _metric("content_bytes", "gauge", "Bytes of images, audio and files that are stored.", sizes)


def _metric(name: str, kind: str, description: str, samples: list[Sample]) -> Iterator[str]:
    yield f"# HELP orchestrai_{name} {description}"
    yield f"# TYPE orchestrai_{name} {kind}"
    for labels, value in samples:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"orchestrai_{name}{f'{{{shown}}}' if shown else ''} {float(value)!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _age(duration: timedelta | None) -> float:
    return duration.total_seconds() if duration else 0.0
