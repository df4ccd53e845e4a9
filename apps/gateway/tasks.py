"""What the cluster does for the gateway from time to time."""

from __future__ import annotations

from apps.gateway import sweeping


def sweep() -> int:
    """Settle what dead processes left; the gateway's own processes do it, too, while there are any."""
    return sweeping.sweep()
