"""Pausing and resuming, as the admin and the commands do it: checked, and workers woken; and what speaks against
operating on a call."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from orchestration.app import ensure_autostarted
from orchestration.conf import engine_settings
from orchestration.engine.submit import wake
from orchestration.errors import TransitionRefused
from orchestration.models import Pause, ServiceCallRecord
from orchestration.models.limits import PauseKind
from orchestration.registry import services


def pause(kind: str, name: str, *, reason: str = "", by: Any = None) -> Pause:
    """Let no call of a service, or to models, start on any node.

    Raises ServiceNotFound, IdentityError or InvalidCall for a name that means nothing, TransitionRefused when it is
    paused already.
    """
    if kind == PauseKind.SERVICE:
        ensure_autostarted()
        name = str(services.get(name).identity)
    return Pause.start(kind, name, reason=reason, by=by)


def resume(kind: str, name: str) -> Pause:
    """Let calls start again; TransitionRefused when it is not paused, also for services that exist no more."""
    found = Pause.objects.filter(kind=kind, name=name).first()
    if found is None and kind == PauseKind.SERVICE:
        ensure_autostarted()
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


def against_retrying(call: ServiceCallRecord) -> str:
    """Why people who ask for it are told that a call is not retried; empty when it is."""
    return "" if call.can_be_retried else f"{call.status}; only failed and cancelled calls are retried"


def against_cancelling(call: ServiceCallRecord) -> str:
    """The same of cancelling."""
    if call.can_be_cancelled:
        return ""
    return f"already {call.status}" if call.is_terminal else "asked to stop before"
