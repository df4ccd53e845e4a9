"""The chat: a page that keeps itself up to date through `live`, and what a trainee does on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST
from pydantic import ValidationError

from apps.accounts.decorators import PageRequest, signed_in
from apps.accounts.models import User
from apps.accounts.throttle import ASKING
from apps.chatlab.api.schemas import MessageIn, OrderIn
from apps.chatlab.models import Message, MessageRole
from apps.chatlab.services.replies import mark_read, place_order, post_message, retry_initial, retry_message
from apps.simulation.api.permissions import UPLOADS
from apps.simulation.clinical.catalogue import as_json
from apps.simulation.errors import SimulationRefused
from apps.simulation.models import EventKind, Simulation, SimulationStatus
from apps.simulation.services.image_upload import ImageRefused, add_image, read_picture
from apps.simulation.services.lifecycle import end_simulation
from apps.training.live.conversation import added_messages, chat_parts, message_parts, messages_after, writes_in
from apps.training.live.fragments import number_of, versions_of, what_differs
from apps.training.permissions import changeable, visible
from apps.training.rendering import show
from apps.training.responses import done, refused
from orchestration.api.errors import ApiError

CHAT = "training:chat"
EVENT_KINDS = " ".join(EventKind.values)


@signed_in
@require_GET
def chat(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    simulation = ended_in_time(visible(request.user, simulation_id))
    rows = messages_after(simulation, 0)
    note_read(request.user, simulation, rows)
    offered = as_json()
    context = {
        "simulation": simulation,
        "rows": rows,
        **chat_parts(simulation, request.user),
        "mine": writes_in(simulation, request.user),
        "catalogue": offered,
        "examinations": offered["examinations"],
        "events_url": events_url(simulation),
        "kinds": EVENT_KINDS,
    }
    return show(request, "training/chat.html", context)


def events_url(simulation: Simulation) -> str:
    """The address of the stream of events from now on."""
    path = reverse("api:stream_simulation_events", kwargs={"simulation_id": simulation.uuid})
    return f"{path}?after={simulation.last_event}"


@signed_in
@require_GET
def live(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    """What the page does not have yet, by its last message and the versions of its parts."""
    simulation = ended_in_time(visible(request.user, simulation_id))
    rows = messages_after(simulation, number_of(request.GET.get("after", "")))
    note_read(request.user, simulation, rows)
    changing = message_parts(simulation, versions_of(request.GET.get("have", "")))
    parts = [*chat_parts(simulation, request.user).values(), *changing]
    return what_differs(request, parts, added=added_messages(request, simulation, rows))


def ended_in_time(simulation: Simulation) -> Simulation:
    """The simulation, which ends now if its time is up: nobody has to wait for the sweep to be told so."""
    if simulation.is_over_time and simulation.status == SimulationStatus.RUNNING:
        end_simulation(simulation)
    return simulation


def note_read(user: User, simulation: Simulation, rows: list[Message]) -> None:
    """Mark as read what is shown to the trainee of the simulation."""
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
            image.delete()  # no message shows it
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
    """Do what a model answers, or say why it is refused."""
    return attempt(request, changeable(request.user, simulation_id), do, CHAT)


def attempt(request: PageRequest, simulation: Simulation, do: Callable[[Simulation], Any], page: str) -> HttpResponse:
    """Do it within the rate limit; a refusal is shown on `page`."""
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
    """The idempotency key of this form: sent again, it changes nothing."""
    return request.POST.get("client_id", "")[:64] or None


def in_words(error: ValidationError) -> str:
    """The first error of what was written, as a sentence."""
    first = error.errors()[0]
    match first["type"]:
        case "string_too_short" | "too_short":
            return "Write something first."
        case "string_too_long" | "too_long":
            return f"This is too long: the limit is {first['ctx']['max_length']:,}. Shorten it and send it again."
    return f"{first['msg'].removeprefix('Value error, ').capitalize()}."
