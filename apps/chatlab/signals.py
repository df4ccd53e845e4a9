"""What the chat does when others say that something happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.dispatch import receiver

from apps.chatlab.delivery import open_chat, settle_overdue
from apps.simulation.signals import simulation_created
from orchestration.signals import ai_response_failed, tick

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.simulation.models import Simulation


@receiver(simulation_created, dispatch_uid="chatlab.open_chat")
def open_its_chat(*, simulation: Simulation, user: User, **_: Any) -> None:
    open_chat(simulation, user)


@receiver(ai_response_failed, dispatch_uid="chatlab.settle_failure")
def settle_failed_call(*, call_id: str, **_: Any) -> None:
    settle_overdue(call_id=call_id)


@receiver(tick, dispatch_uid="chatlab.settle_overdue")
def settle_what_was_missed(**_: Any) -> None:
    settle_overdue()
