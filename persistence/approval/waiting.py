"""How many held results wait, for a badge: never counted beyond what it shows."""

from __future__ import annotations

from persistence.models.approval import Hold

MOST = 99


def waiting() -> str:
    """`7`, `99+`; empty when nothing waits. One query of at most MOST + 1 entries of an index."""
    count = len(Hold.objects.open().in_order().values_list("pk")[: MOST + 1])
    return f"{MOST}+" if count > MOST else str(count or "")
