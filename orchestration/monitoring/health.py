"""Liveness and readiness checks for load balancers."""

from __future__ import annotations

import threading
from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from orchestration.checks.database import schema_faults
from orchestration.clock import database_now
from orchestration.components.lifecycle import ensure_autostarted
from orchestration.engine.queue.unreadable_rows import UNREADABLE_ROWS
from orchestration.errors import NotConfigured
from orchestration.models import EngineCounter, ServiceCallRecord, WorkerNode


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while this process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the components are loaded and the database answers and is migrated, else 503.

    Missing workers, and workers whose clock is off, are reported but do not fail the check: this process still accepts
    calls, which wait in the database.
    """
    try:
        ensure_autostarted()
    except NotConfigured:
        return JsonResponse({"ready": False, "components": "manage.py check"}, status=503)
    try:
        report = _report()
    except DatabaseError:
        return JsonResponse({"ready": False, "database": False}, status=503)
    return JsonResponse(report, status=200 if report["ready"] else 503)


def _report() -> dict[str, Any]:
    waiting = unapplied_migrations()
    if waiting:
        return {"ready": False, "database": True, "unapplied_migrations": waiting}
    if is_schema_incomplete():
        return {
            "ready": False,
            "database": True,
            "unapplied_migrations": 0,
            "schema": "manage.py check --database default",
        }
    now = database_now()
    oldest = ServiceCallRecord.objects.due(now).order_by("due_at").values_list("due_at", flat=True).first()
    seen = list(WorkerNode.objects.seen(now))
    return {
        "ready": True,
        "database": True,
        "unapplied_migrations": 0,
        "workers_seen": len(seen),
        "unreadable_rows": EngineCounter.read(UNREADABLE_ROWS),
        "clocks_off": sum(node.is_clock_off for node in seen),
        "oldest_due_seconds": round((now - oldest).total_seconds(), 3) if oldest else 0,
    }


_migrated, _complete = threading.Event(), threading.Event()


def unapplied_migrations() -> int:
    """How many migrations are not applied; queried until there are none, then remembered by this process."""
    if _migrated.is_set():
        return 0
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        _migrated.set()
    return len(plan)


def is_schema_incomplete() -> bool:
    """Whether a migrated database lacks tables or columns; queried until it is complete, as above."""
    if not _complete.is_set() and not schema_faults("default"):
        _complete.set()
    return not _complete.is_set()
