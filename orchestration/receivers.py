"""What the engine itself does on its own signals."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from orchestration import signals
from orchestration.conf import engine_settings
from orchestration.engine.rollup import roll_up

ROLLUP_SECONDS = 2.0
"""Of one tick; what is left after a long pause follows with the next ones."""


@receiver(signals.tick)
def keep_rollups(sender: object = None, **_: Any) -> None:
    """Once per tick of the whole system, whichever node is first."""
    roll_up(seconds=ROLLUP_SECONDS, at_most_every=engine_settings().TICK_SECONDS / 2)
