"""Pictures that the patient shows: the next hidden one of the case."""

from __future__ import annotations

from django.db import transaction

from apps.chatlab.models import Message, MessageMedia
from apps.simulation.models import EventKind, Simulation, SimulationEvent
from orchestration.clock import database_now


def show_picture(message_id: int, simulation_id: int) -> MessageMedia | None:
    """Add a picture to a reply that asks for one; None when it already has one, or the case has no more."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        message = Message.objects.wanting_pictures().filter(pk=message_id, simulation=simulation).first()
        image = simulation.images.filter(revealed_at__isnull=True).order_by("id").first()
        if message is None or image is None:
            return None
        image.revealed_at = database_now()
        image.save(update_fields=["revealed_at"])
        media = MessageMedia.objects.create(message=message, image=image)
        data = {"message_id": message.pk, "sequence": message.sequence, "image": str(image.uuid)}
        SimulationEvent.objects.record(simulation.pk, EventKind.MEDIA, data)
    return media


def show_missing_pictures() -> int:
    """Do so for every reply whose signal was lost; returns how many pictures were shown."""
    waiting = list(Message.objects.wanting_pictures().values_list("pk", "simulation_id")[:100])
    return sum(show_picture(*ids) is not None for ids in waiting)
