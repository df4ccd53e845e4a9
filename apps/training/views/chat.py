"""The chat: one page that lives on by `live`, and what is done on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST
from pydantic import ValidationError

from apps.accounts.models import User
from apps.accounts.page_access import PageRequest, signed_in
from apps.chatlab.delivery import mark_read, place_order, post_message, retry_initial, retry_message
from apps.chatlab.models import Message, MessageRole
from apps.chatlab.schemas import MessageIn, OrderIn
from apps.simulation.api_access import ASKING, UPLOADS
from apps.simulation.errors import SimulationRefused
from apps.simulation.images import ImageRefused, add_image, read_picture
from apps.simulation.lifecycle import end_simulation
from apps.simulation.models import EventKind, Simulation
from apps.training.access import changeable, visible
from apps.training.answers import done, refused
from apps.training.conversation import (
    added_messages,
    composer_part,
    facts_part,
    message_parts,
    messages_after,
    state_part,
)
from apps.training.parts import number_of, versions_of, what_differs
from apps.training.showing import show
from orchestration.api_errors import ApiError

CHAT = "training:chat"
EVENT_KINDS = " ".join(EventKind.values)


@signed_in
@require_GET
def chat(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    simulation = visible(request.user, simulation_id)
    rows = messages_after(simulation, 0)
    note_read(request.user, simulation, rows)
    context = {
        "simulation": simulation,
        "rows": rows,
        "state": state_part(simulation),
        "composer": composer_part(simulation, request.user),
        "facts": facts_part(simulation),
        "mine": Simulation.objects.changeable_by(request.user).filter(pk=simulation.pk).exists(),
        "events_url": events_url(simulation),
        "kinds": EVENT_KINDS,
    }
    return show(request, "training/chat.html", context)


def events_url(simulation: Simulation) -> str:
    """The stream of what happens from now on."""
    path = reverse("api:stream_simulation_events", kwargs={"simulation_id": simulation.uuid})
    return f"{path}?after={simulation.last_event}"


@signed_in
@require_GET
def live(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    """What the page lacks, by the last message that it has and the versions of its parts."""
    simulation = visible(request.user, simulation_id)
    rows = messages_after(simulation, number_of(request.GET.get("after", "")))
    note_read(request.user, simulation, rows)
    parts = [
        state_part(simulation),
        composer_part(simulation, request.user),
        facts_part(simulation),
        *message_parts(simulation, versions_of(request.GET.get("have", ""))),
    ]
    return what_differs(request, parts, added=added_messages(request, simulation, rows))


def note_read(user: User, simulation: Simulation, rows: list[Message]) -> None:
    """What its trainee is shown counts as read."""
    if simulation.user == user and any(not row.is_read for row in rows if row.role != MessageRole.USER):
        mark_read(simulation, rows[-1].sequence)


@signed_in
@require_POST
def say(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    def post(simulation: Simulation) -> object:
        body = MessageIn(content=request.POST.get("content", ""), client_id=key_of(request))
        return post_message(simulation.pk, request.user, body.content, body.client_id)

    return _asking(request, simulation_id, post)


@signed_in
@require_POST
def order(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    def post(simulation: Simulation) -> object:
        lines = [line.strip() for line in request.POST.get("tests", "").splitlines() if line.strip()]
        body = OrderIn(tests=lines, client_id=key_of(request))
        return place_order(simulation.pk, request.user, body.tests, body.client_id)

    return _asking(request, simulation_id, post)


@signed_in
@require_POST
def picture(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    """A picture with a sentence; both are one message."""

    def post(simulation: Simulation) -> object:
        body = MessageIn(content=request.POST.get("description", ""), client_id=key_of(request))
        known = Message.objects.filter(simulation=simulation, client_id=body.client_id, sender=request.user).first()
        if known is not None:
            return known
        upload = request.FILES.get("picture")
        if upload is None:
            raise ImageRefused("empty", "Choose a picture first.")
        UPLOADS.check(str(request.user.pk), "uploads")
        image = add_image(simulation, request.user, read_picture(upload), body.content[:255], hidden=False)
        try:
            return post_message(simulation.pk, request.user, body.content, body.client_id, image_ids=[image.uuid])
        except SimulationRefused:
            image.delete()  # nobody will see it
            raise

    return _asking(request, simulation_id, post)


@signed_in
@require_POST
def retry(request: PageRequest, simulation_id: UUID, message_id: int) -> HttpResponse:
    return _asking(request, simulation_id, lambda simulation: retry_message(simulation.pk, message_id))


@signed_in
@require_POST
def retry_opening(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    return _asking(request, simulation_id, lambda simulation: retry_initial(simulation.pk))


@signed_in
@require_POST
def end(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    """Doing it again changes nothing."""
    end_simulation(changeable(request.user, simulation_id))
    return redirect("training:feedback", simulation_id)


def _asking(request: PageRequest, simulation_id: UUID, do: Callable[[Simulation], Any]) -> HttpResponse:
    """Do what makes a model work, or say in words why not."""
    return attempt(request, changeable(request.user, simulation_id), do, CHAT)


def attempt(request: PageRequest, simulation: Simulation, do: Callable[[Simulation], Any], page: str) -> HttpResponse:
    """Do it, at most so often; a refusal becomes words on `page`."""
    try:
        ASKING.check(str(request.user.pk), "messages")
        do(simulation)
    except ValidationError as error:
        return refused(request, in_words(error), page, simulation.uuid, status=422)
    except (SimulationRefused, ImageRefused) as error:
        return refused(request, str(error), page, simulation.uuid)
    except ApiError as error:
        return refused(request, error.message, page, simulation.uuid, status=error.status)
    except Message.DoesNotExist:
        return refused(request, "There is no such message in this session.", page, simulation.uuid, status=404)
    return done(request, page, simulation.uuid)


def key_of(request: HttpRequest) -> str | None:
    """The key of this sending, which makes sending it again harmless."""
    return request.POST.get("client_id", "")[:64] or None


def in_words(error: ValidationError) -> str:
    """The first complaint about what somebody wrote, as a sentence."""
    first = error.errors()[0]
    match first["type"]:
        case "string_too_short" | "too_short":
            return "Write something first."
        case "string_too_long" | "too_long":
            return (
                f"This is too long: at most {first['ctx']['max_length']:,} are possible. Shorten it and send it again."
            )
    return f"{first['msg'].removeprefix('Value error, ').capitalize()}."
