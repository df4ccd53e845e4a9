"""The conversation of a simulation as a live page: its messages in order, and the parts beside them."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch
from django.http import HttpRequest
from django.template.loader import render_to_string

from apps.accounts.models import User
from apps.chatlab.models import Delivery, Message, MessageMedia
from apps.simulation.models import MetadataKind, Simulation, SimulationMetadata, SimulationStatus
from apps.simulation.verdicts import reason_of
from apps.training.parts import Part, numbers_of

PAGE_OF_MESSAGES = 500
"""At most so many at a time; a page that lacks more asks again."""
OPEN = (SimulationStatus.PREPARING, SimulationStatus.RUNNING)
PICTURES = Prefetch("media", MessageMedia.objects.select_related("image").order_by("id"))


def messages_after(simulation: Simulation, sequence: int) -> list[Message]:
    """What a page lacks that has everything up to `sequence`."""
    rows = Message.objects.filter(simulation=simulation, sequence__gt=sequence, is_deleted=False)
    return list(rows.select_related("sender").prefetch_related(PICTURES).order_by("sequence")[:PAGE_OF_MESSAGES])


def added_messages(request: HttpRequest, simulation: Simulation, rows: list[Message], **context: Any) -> str:
    """Messages as HTML that htmx appends to the page's list; nothing when there are none."""
    if not rows:
        return ""
    return render_to_string(
        "training/parts/messages.html", {"rows": rows, "simulation": simulation, "added": True, **context}, request
    )


def waiting(simulation: Simulation) -> bool:
    """Whether the patient is about to say something."""
    if simulation.status == SimulationStatus.PREPARING:
        return True
    return Message.objects.pending().filter(simulation=simulation).exists()


def state_part(simulation: Simulation) -> Part:
    """Where the session stands, whether the patient types, and how much time is left."""
    typing = not simulation.has_ended and waiting(simulation)
    limit = simulation.ends_at if simulation.status == SimulationStatus.RUNNING else None
    shown = [simulation.status, simulation.failure_code, typing, limit]
    context = {"simulation": simulation, "typing": typing, "ends_at": limit}
    if simulation.status == SimulationStatus.FAILED:
        context["reason"] = reason_of(simulation.failure_code)
    return Part(id="state", template="training/parts/state.html", shown=shown, context=context)


def composer_part(simulation: Simulation, user: User) -> Part:
    """Where one writes, or why one cannot; it is sent again only when that changes, so that no text is lost."""
    mine = Simulation.objects.changeable_by(user).filter(pk=simulation.pk).exists()
    shown = [simulation.has_ended, simulation.status == SimulationStatus.PAUSED, mine]
    context = {"simulation": simulation, "mine": mine, "images": simulation.status in OPEN}
    return Part(id="composer", template="training/parts/composer.html", shown=shown, context=context)


def facts_part(simulation: Simulation) -> Part:
    """What is known: the person, and results with units, ranges and flags."""
    rows = list(SimulationMetadata.objects.filter(simulation=simulation).order_by("kind", "key"))
    context = {
        "simulation": simulation,
        "person": [row for row in rows if row.kind in {MetadataKind.DEMOGRAPHICS, MetadataKind.HISTORY}],
        "labs": [row for row in rows if row.kind == MetadataKind.LAB_RESULT],
        "imaging": [row for row in rows if row.kind == MetadataKind.RADIOLOGY_RESULT],
    }
    return Part(id="facts", template="training/parts/facts.html", shown=simulation.metadata_checksum, context=context)


def message_parts(simulation: Simulation, have: dict[str, str]) -> list[Part]:
    """What may have changed of the messages that a page has: deliveries that were open, pictures that were awaited."""
    rows = Message.objects.filter(simulation=simulation).select_related("sender")
    asked = rows.filter(pk__in=numbers_of(have, "delivery-")).order_by("sequence")
    shown = rows.filter(pk__in=numbers_of(have, "pictures-")).prefetch_related(PICTURES).order_by("sequence")
    return [*(delivery_part(simulation, row) for row in asked), *(pictures_part(simulation, row) for row in shown)]


def delivery_part(simulation: Simulation, message: Message) -> Part:
    """Whether a question was answered, and what to do when it was not."""
    failed = message.delivery_status == Delivery.FAILED
    context = {
        "simulation": simulation,
        "message": message,
        "reason": reason_of(message.failure_code) if failed else "",
        "open": not simulation.has_ended,
    }
    return Part(
        id=f"delivery-{message.pk}",
        template="training/parts/delivery.html",
        shown=[message.delivery_status, message.failure_code, message.retries_left, failed and simulation.has_ended],
        context=context,
        final=message.delivery_status == Delivery.DELIVERED,
    )


def pictures_part(simulation: Simulation, message: Message) -> Part:
    """The pictures of a message; one that the patient wants to show may come a moment later."""
    images = [media.image for media in message.media.all()]
    return Part(
        id=f"pictures-{message.pk}",
        template="training/parts/pictures.html",
        shown=[str(image.uuid) for image in images],
        context={"simulation": simulation, "images": images},
        final=bool(images) or not message.image_requested,
    )
