"""What the cluster does for the gateway from time to time."""

from __future__ import annotations

from apps.gateway import sweeping
from apps.gateway.caching import forget_expired


def sweep() -> dict[str, int]:
    """Settle what dead processes left, as the gateway's own do while there are any; delete answers that expired."""
    return {"unknown": sweeping.sweep(), "expired": forget_expired()}
