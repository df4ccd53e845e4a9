"""Pausing and resuming services and models, for the admin and the commands: names are checked, workers are woken."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from orchestration.components.registry import services
from orchestration.conf import engine_settings
from orchestration.engine.queue.destinations import check_pattern
from orchestration.engine.queue.transport import wake
from orchestration.errors import TransitionRefused
from orchestration.models import Pause
from orchestration.models.throttles import PauseKind


def pause(kind: str, name: str, *, reason: str = "", by: Any = None) -> Pause:
    """Let no call of a service, or to models, start on any node.

    Raises ServiceNotFound, IdentityError or InvalidCall for a name that means nothing, TransitionRefused when it is
    paused already.
    """
    return Pause.start(kind, target_of(kind, name), reason=reason, by=by)


def target_of(kind: str, name: str) -> str:
    """The name under which a service, or a pattern of models, is paused; raises what `pause` raises for its name."""
    return str(services.get(name).identity) if kind == PauseKind.SERVICE else str(check_pattern(name))


def resume(kind: str, name: str) -> Pause:
    """Let calls start again; TransitionRefused when it is not paused, also for services that no longer exist."""
    found = Pause.objects.filter(kind=kind, name=name).first()
    if found is None and kind == PauseKind.SERVICE:
        found = Pause.objects.filter(kind=kind, name=str(services.get(name).identity)).first()
    if found is None:
        raise TransitionRefused(f"The {kind} {name} is not paused.")
    end(found)
    return found


def end(found: Pause) -> None:
    """Resume what this row paused, and wake a worker for what waited."""
    with transaction.atomic():
        found.end()
        transaction.on_commit(_wake)


def _wake() -> None:
    wake(engine_settings().QUEUE, force=True)
