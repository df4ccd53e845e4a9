"""The conversation of a simulation as a live page: its messages in order, and the parts beside them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Prefetch
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse

from apps.accounts.models import User
from apps.chatlab.models import Delivery, Message, MessageMedia, MessageType
from apps.chatlab.models.messages import MessageQuerySet
from apps.shell.navigation import directs
from apps.simulation.models import FeedbackStatus, Simulation, SimulationStatus
from apps.simulation.services.failure_messages import Subject, cause_of, explanation
from apps.simulation.services.known_facts import Known, known_about
from apps.training.live.fragments import Part, numbers_of
from orchestration.clock import database_now

PAGE_OF_MESSAGES = 500
"""At most so many at a time; a page that needs more asks again."""
OPEN = (SimulationStatus.PREPARING, SimulationStatus.RUNNING)
PICTURES = Prefetch("media", MessageMedia.objects.select_related("image").order_by("id"))


def messages_after(simulation: Simulation, sequence: int) -> list[Message]:
    """The messages after number `sequence`, in order."""
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
    """Whether the patient is about to say something; the laboratory is not the patient."""
    return simulation.status == SimulationStatus.PREPARING or _unanswered(simulation).exists()


def speaks_in(simulation: Simulation) -> str:
    """Where what the patient is about to say can be heard while it is written; empty when nothing is to come."""
    if simulation.status == SimulationStatus.PREPARING:
        call_id = simulation.initial_call_id
    else:
        call_id = _unanswered(simulation).order_by("sequence").values_list("call_id", flat=True).first()
    return reverse("training:typing", args=(simulation.uuid, call_id)) if call_id else ""


def _unanswered(simulation: Simulation) -> MessageQuerySet:
    return Message.objects.pending().filter(simulation=simulation).exclude(message_type=MessageType.ORDER)


def state_part(simulation: Simulation) -> Part:
    """The state of the session, whether the patient is typing, and how much time is left."""
    typing = not simulation.has_ended and waiting(simulation)
    shown = [simulation.status, simulation.failure_code, typing, simulation.ends_at]
    context = {
        "simulation": simulation,
        "typing": typing,
        "reason": explanation(simulation.failure_code, Subject.OPENING),
        **time_of(simulation),
    }
    return Part(id="state", template="training/parts/state.html", shown=shown, context=context)


def time_of(simulation: Simulation) -> dict[str, Any]:
    """How much time is left, for a clock: `left` (None without a limit), `ends_at` while it runs, and `now`."""
    now = database_now()
    if simulation.ends_at is None or simulation.has_ended:
        return {"left": None, "ends_at": None, "now": now}
    left = max(simulation.ends_at - (simulation.paused_at or now), timedelta(0))
    running = simulation.status == SimulationStatus.RUNNING
    return {"left": left, "ends_at": simulation.ends_at if running else None, "now": now}


def chat_parts(simulation: Simulation, user: User) -> dict[str, Part]:
    """The parts of the page of a conversation, by their id."""
    mine, known = writes_in(simulation, user), known_about(simulation)
    parts = [
        head_part(simulation, mine=mine, directs=directs(user)),
        vitals_part(known),
        typing_part(simulation),
        notice_part(simulation, mine=mine),
        composer_part(simulation, mine=mine),
        facts_part(simulation, known),
    ]
    return {part.id: part for part in parts}


def writes_in(simulation: Simulation, user: User) -> bool:
    """Whether this person may write in the session, whatever its state."""
    return Simulation.objects.changeable_by(user).filter(pk=simulation.pk).exists()


def head_part(simulation: Simulation, *, mine: bool, directs: bool) -> Part:
    """Who the patient is, the state of the session, the time that is left, and what can be done."""
    person = [
        *([f"{simulation.patient_age} years"] if simulation.patient_age is not None else []),
        *([simulation.get_patient_sex_display().lower()] if simulation.patient_sex else []),
        *([simulation.patient_occupation] if simulation.patient_occupation else []),
    ]
    context = {
        "simulation": simulation,
        "person": person,
        "mine": mine,
        "directs": directs,
        "limit": simulation.time_limit,
        **time_of(simulation),
    }
    shown = [simulation.status, simulation.ends_at, person, mine]
    return Part(id="head", template="training/parts/head.html", shown=shown, context=context)


def vitals_part(known: Known) -> Part:
    """The monitor; empty while no vital sign is known."""
    vitals = known.vitals if any(sign.value for sign in known.vitals) else []
    shown = [[sign.code, sign.value, sign.flag] for sign in vitals]
    return Part(id="vitals", template="training/parts/vitals.html", shown=shown, context={"vitals": vitals})


def typing_part(simulation: Simulation) -> Part:
    """The dots of a patient who is about to say something, and where the words come from that take their place."""
    typing = simulation.status in OPEN and waiting(simulation)
    heard = speaks_in(simulation) if typing else ""
    context = {"simulation": simulation, "typing": typing, "heard": heard}
    shown = [typing, simulation.status, heard]
    return Part(id="typing", template="training/parts/typing.html", shown=shown, context=context)


def notice_part(simulation: Simulation, *, mine: bool) -> Part:
    """Why one cannot write: the session has ended, is paused, or could not start; or it belongs to somebody else."""
    ended_at, ends_at = simulation.ended_at, simulation.ends_at
    pending = simulation.feedback_status == FeedbackStatus.PENDING
    context = {
        "simulation": simulation,
        "mine": mine,
        "timed_out": ended_at is not None and ends_at is not None and ended_at >= ends_at,
        "reason": explanation(simulation.failure_code, Subject.OPENING),
        "feedback_follows": pending,
    }
    shown = [simulation.status, simulation.failure_code, mine, pending]
    return Part(id="notice", template="training/parts/notice.html", shown=shown, context=context)


def composer_part(simulation: Simulation, *, mine: bool) -> Part:
    """The box to write in, from the patient's first words until the end; the draft moves along when it is replaced."""
    writes = mine and simulation.status in OPEN
    context = {"simulation": simulation, "writes": writes}
    shown = [simulation.status if writes else "closed"]
    return Part(id="composer", template="training/parts/composer.html", shown=shown, context=context)


def facts_part(simulation: Simulation, known: Known | None = None) -> Part:
    """The record of the patient: what is known, results with units, ranges and flags, and what was ordered."""
    orders = list(
        Message.objects.filter(simulation=simulation, message_type=MessageType.ORDER, is_deleted=False)
        .only("content", "delivery_status", "created_at")
        .order_by("-sequence")
    )
    context = {"simulation": simulation, "known": known or known_about(simulation), "orders": orders}
    shown = [simulation.metadata_checksum, [[order.pk, order.delivery_status] for order in orders]]
    return Part(id="facts", template="training/parts/facts.html", shown=shown, context=context)


def message_parts(simulation: Simulation, have: dict[str, str]) -> list[Part]:
    """The parts of known messages that may have changed: pending deliveries and awaited pictures."""
    rows = Message.objects.filter(simulation=simulation).select_related("sender")
    asked = rows.filter(pk__in=numbers_of(have, "delivery-")).order_by("sequence")
    shown = rows.filter(pk__in=numbers_of(have, "pictures-")).prefetch_related(PICTURES).order_by("sequence")
    return [*(delivery_part(simulation, row) for row in asked), *(pictures_part(simulation, row) for row in shown)]


def delivery_part(simulation: Simulation, message: Message) -> Part:
    """Whether a question was answered; and when it was not, why, and what helps."""
    failed, ordered = message.delivery_status == Delivery.FAILED, message.message_type == MessageType.ORDER
    subject = Subject.RESULTS if ordered else Subject.REPLY
    context = {
        "simulation": simulation,
        "message": message,
        "reason": explanation(message.failure_code, subject) if failed else "",
        "open": not simulation.has_ended,
        "sends_again": _send_again(simulation, message) if failed else "",
    }
    return Part(
        id=f"delivery-{message.pk}",
        template="training/parts/delivery.html",
        shown=[message.delivery_status, message.failure_code, message.retries_left, failed and simulation.has_ended],
        context=context,
        final=message.delivery_status == Delivery.DELIVERED,
    )


def _send_again(simulation: Simulation, message: Message) -> str:
    """Where the same can be sent as a new message, once its retries are used up; empty where that does not help."""
    pages = {MessageType.TEXT: "training:say", MessageType.ORDER: "training:order"}
    page = pages.get(MessageType(message.message_type))
    return reverse(page, args=(simulation.uuid,)) if page and cause_of(message.failure_code).retry_helps else ""


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
