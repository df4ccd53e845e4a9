"""For load balancers: does this process live, and can it do its job?"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from orchestration.models import ServiceCallRecord, WorkerNode

SEEN_WITHIN = timedelta(seconds=60)
"""A worker node whose beat is older does not count as seen."""


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """This process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and is migrated, else 503.

    Missing workers are told, not refused: this process still takes calls, and they wait in the database.
    """
    try:
        report = _report()
    except DatabaseError:
        return JsonResponse({"ready": False, "database": False}, status=503)
    return JsonResponse(report, status=200 if report["ready"] else 503)


def _report() -> dict[str, Any]:
    waiting = unapplied_migrations()
    if waiting:
        return {"ready": False, "database": True, "unapplied_migrations": waiting}
    now = timezone.now()
    oldest = ServiceCallRecord.objects.due(now).order_by("due_at").values_list("due_at", flat=True).first()
    return {
        "ready": True,
        "database": True,
        "unapplied_migrations": 0,
        "workers_seen": WorkerNode.objects.filter(stopping=False, beat_at__gte=now - SEEN_WITHIN).count(),
        "oldest_due_seconds": round((now - oldest).total_seconds(), 3) if oldest else 0,
    }


_migrated = threading.Event()


def unapplied_migrations() -> int:
    """How many migrations the database lacks; asked until there is none, then remembered for this process."""
    if _migrated.is_set():
        return 0
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        _migrated.set()
    return len(plan)
