"""The gateway's periodic tasks."""

from __future__ import annotations

from apps.gateway.cache.store import forget_expired
from apps.gateway.maintenance import orphan_requests


def sweep() -> dict[str, int]:
    """Settle the requests of dead processes, as serving processes do too, and delete expired answers."""
    return {"unknown": orphan_requests.sweep(), "expired": forget_expired()}
