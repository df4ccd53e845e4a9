"""The instructor's board, and the page from which one session is watched and directed."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.decorators import PageRequest, signed_in
from apps.simulation.clinical.vitals import VITALS
from apps.simulation.errors import SimulationRefused
from apps.simulation.models import Simulation
from apps.simulation.models.cases import Finding, findings_of
from apps.trainerlab.models import SessionEvent
from apps.trainerlab.services import commands
from apps.trainerlab.services.debrief import debrief as debrief_of
from apps.training.forms import TextForm
from apps.training.live.board import board_part
from apps.training.live.conversation import added_messages, message_parts, messages_after
from apps.training.live.debrief import metrics_of, rubric_of
from apps.training.live.fragments import number_of, versions_of, what_differs
from apps.training.live.watching import watch_parts
from apps.training.permissions import directs, for_instructors, visible
from apps.training.rendering import show
from apps.training.responses import complaints, done, refused
from apps.training.scenario_forms import FLAGS, KINDS, FindingForm
from apps.training.views.chat import EVENT_KINDS, events_url
from apps.training.views.feedback import session_of

WATCH = "training:watch"
MAX_KEY = 64


@for_instructors
@require_GET
def board(request: PageRequest) -> HttpResponse:
    wanted, search = _narrowed(request)
    query = urlencode({name: value for name, value in (("show", wanted), ("q", search)) if value})
    context = {
        "board": board_part(request.user, wanted, search),
        "live_url": f"{reverse('training:board_live')}?{query}",
        "search": search,
        "wanted": wanted,
    }
    return show(request, "training/board.html", context)


@for_instructors
@require_GET
def board_live(request: PageRequest) -> HttpResponse:
    return what_differs(request, [board_part(request.user, *_narrowed(request))])


def _narrowed(request: PageRequest) -> tuple[str, str]:
    """Filter and search of the address."""
    return request.GET.get("show", "")[:20], request.GET.get("q", "").replace("\0", "")[:100]


@for_instructors
@require_GET
def watch(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    simulation = visible(request.user, simulation_id)
    context = {
        "simulation": simulation,
        "rows": messages_after(simulation, 0),
        "parts": {part.id.replace("-", "_"): part for part in watch_parts(simulation)},
        "events_url": events_url(simulation),
        "kinds": EVENT_KINDS,
        "watching": True,
        "vitals": VITALS,
        "kinds_of_findings": KINDS,
        "flags": FLAGS,
    }
    return show(request, "training/watch.html", context)


@for_instructors
@require_GET
def watch_live(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    simulation = visible(request.user, simulation_id)
    have = versions_of(request.GET.get("have", ""))
    after = number_of(request.GET.get("after", ""))
    added = added_messages(request, simulation, messages_after(simulation, after), watching=True)
    return what_differs(request, [*watch_parts(simulation), *message_parts(simulation, have)], added=added)


@for_instructors
@require_POST
def command(request: PageRequest, simulation_id: UUID, kind: str) -> HttpResponse:
    """Carry out a command of an instructor; with the same key only once."""
    simulation = visible(request.user, simulation_id)
    do = COMMANDS.get(kind)
    if do is None:
        raise Http404("There is no such command.")
    key = request.POST.get("command_key", "")[:MAX_KEY]
    if not key:
        return refused(request, "Reload the page and try again.", WATCH, simulation.uuid, status=422)
    try:
        complaint = do(request, simulation, key)
    except SimulationRefused as error:
        return refused(request, str(error), WATCH, simulation.uuid)
    if complaint:
        return refused(request, complaint, WATCH, simulation.uuid, status=422)
    return done(request, WATCH, simulation.uuid)


def _text_command(what: Callable[..., SessionEvent]) -> Callable[[PageRequest, Simulation, str], str]:
    def do(request: PageRequest, simulation: Simulation, key: str) -> str:
        form = TextForm(request.POST)
        if not form.is_valid():
            return complaints(form)
        what(simulation.pk, request.user, key, form.cleaned_data["text"])
        return ""

    return do


def _plain_command(what: Callable[..., SessionEvent]) -> Callable[[PageRequest, Simulation, str], str]:
    def do(request: PageRequest, simulation: Simulation, key: str) -> str:
        what(simulation.pk, request.user, key)
        return ""

    return do


def _finding(request: PageRequest, simulation: Simulation, key: str) -> str:
    """A finding that the case has prepared, or one that was typed in."""
    finding: Finding | None
    if "prepared" in request.POST:
        wanted = request.POST["prepared"]
        finding = next((each for each in findings_of(simulation.findings) if each.key == wanted), None)
    else:
        form = FindingForm(request.POST)
        if not form.is_valid():
            return complaints(form)
        finding = form.finding
    if finding is None:
        return "Choose a finding, or write the test and its value."
    commands.inject_finding(simulation.pk, request.user, key, finding)
    return ""


def _vitals(request: PageRequest, simulation: Simulation, key: str) -> str:
    """The vital signs that were written; the others stay."""
    values = {str(vital.code): request.POST.get(vital.code, "")[:20] for vital in VITALS}
    commands.change_vitals(simulation.pk, request.user, key, values)
    return ""


COMMANDS: dict[str, Callable[[PageRequest, Simulation, str], str]] = {
    "event": _text_command(commands.inject_event),
    "direction": _text_command(commands.give_direction),
    "finding": _finding,
    "vitals": _vitals,
    "pause": _plain_command(commands.pause),
    "resume": _plain_command(commands.resume),
    "end": _plain_command(commands.end_session),
}
"""By kind; each returns what is wrong with the form, or an empty text."""


@signed_in
@require_GET
def debrief(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    """Everything about a session on one page, for the screen and for print; for its trainee after the end."""
    simulation = visible(request.user, simulation_id)
    if not simulation.has_ended and not directs(request.user):
        return redirect("training:chat", simulation.uuid)
    found = debrief_of(simulation)
    session = session_of(simulation)
    context = {
        "simulation": simulation,
        "debrief": found,
        "metrics": metrics_of(found.feedback),
        "rubric": rubric_of(simulation, found.feedback, "sequence-{0.sequence}"),
        "instructor": session.instructor if session else None,
        "noted": any(line.notes for line in found.lines),
        "title": session.template.title if session and session.template else "",
        "directs": directs(request.user),
    }
    return show(request, "training/debrief.html", context)
