"""The periodic tasks of the trainer."""

from __future__ import annotations

from apps.trainerlab.services import previews


def forget_previews() -> int:
    """Delete the previews of yesterday and before; see `apps.trainerlab.services.previews.forget_previews`."""
    return previews.forget_previews()
