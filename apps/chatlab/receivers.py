"""Signal receivers: new simulations, announcements, persisted replies, failed calls, the engine's tick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.dispatch import receiver

from apps.chatlab.models import Message
from apps.chatlab.orca.persist import PatientReplyPersistence
from apps.chatlab.services.pictures import show_missing_pictures, show_picture
from apps.chatlab.services.replies import announce_in_chat, open_chat, settle_overdue
from apps.simulation.signals import announced, simulation_created
from orchestration.signals import calls_gave_no_result, tick
from persistence.signals import domain_object_created

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.simulation.models import Simulation


@receiver(simulation_created, dispatch_uid="chatlab.open_chat")
def open_its_chat(*, simulation: Simulation, user: User, **_: Any) -> None:
    open_chat(simulation, user)


@receiver(announced, dispatch_uid="chatlab.announce")
def announce_to_everybody(*, simulation: Simulation, content: str, sender_user: User | None, **_: Any) -> None:
    announce_in_chat(simulation, content, sender_user)


@receiver(domain_object_created, sender=PatientReplyPersistence, dispatch_uid="chatlab.show_picture")
def show_its_picture(*, instance: Message, **_: Any) -> None:
    if instance.image_requested:
        show_picture(instance.pk, instance.simulation_id)


@receiver(calls_gave_no_result, dispatch_uid="chatlab.settle_failures")
def settle_failed_calls(*, call_ids: list[str], **_: Any) -> None:
    settle_overdue(call_ids)


@receiver(tick, dispatch_uid="chatlab.settle_overdue")
def settle_what_was_missed(**_: Any) -> None:
    settle_overdue()


@receiver(tick, dispatch_uid="chatlab.show_missing_pictures")
def show_what_was_missed(**_: Any) -> None:
    show_missing_pictures()
