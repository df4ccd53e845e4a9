"""The engine's receivers of its own signals."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from orchestration import signals
from orchestration.conf import engine_settings
from orchestration.engine.deployments import note_deployment
from orchestration.models.stream_chunks import StreamChunk
from orchestration.stats.aggregation import roll_up

ROLLUP_SECONDS = 2.0
"""Seconds per tick; what is left after a long pause follows with the next ticks."""


@receiver(signals.tick)
def keep_rollups(sender: object = None, **_: Any) -> None:
    """Once per tick of the whole system, whichever node is first."""
    roll_up(seconds=ROLLUP_SECONDS, at_most_every=engine_settings().TICK_SECONDS / 2)


@receiver(signals.tick)
def tell_deployments(sender: object = None, **_: Any) -> None:
    """With the first tick of a node that runs other code."""
    note_deployment()


@receiver(signals.tick)
def forget_streams(sender: object = None, **_: Any) -> None:
    """Pieces of streams that the worker of their call could not delete."""
    StreamChunk.objects.outlived().delete()
