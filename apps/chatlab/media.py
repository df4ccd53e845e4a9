"""Pictures that the patient shows: the next one of the case that nobody has seen."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from apps.chatlab.models import Message, MessageMedia
from apps.simulation.models import EventKind, Simulation, SimulationEvent


def show_picture(message_id: int, simulation_id: int) -> MessageMedia | None:
    """Add a picture to a reply that wants to show one; None when it has one already, or the case has no more."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        message = Message.objects.wanting_pictures().filter(pk=message_id, simulation=simulation).first()
        image = simulation.images.filter(revealed_at__isnull=True).order_by("id").first()
        if message is None or image is None:
            return None
        image.revealed_at = timezone.now()
        image.save(update_fields=["revealed_at"])
        media = MessageMedia.objects.create(message=message, image=image)
        told = {"message_id": message.pk, "sequence": message.sequence, "image": str(image.uuid)}
        SimulationEvent.objects.record(simulation.pk, EventKind.MEDIA, told)
    return media


def show_missing_pictures() -> int:
    """Do it for every reply whose signal was lost; returns how many pictures were shown."""
    waiting = list(Message.objects.wanting_pictures().values_list("pk", "simulation_id")[:100])
    return sum(show_picture(*ids) is not None for ids in waiting)
