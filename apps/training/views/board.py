"""The instructor's board, and one session watched and directed from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.page_access import PageRequest, signed_in
from apps.simulation.cases import Finding, findings_of
from apps.simulation.errors import SimulationRefused
from apps.simulation.models import Simulation, SimulationMetadata
from apps.trainerlab import directing
from apps.trainerlab.board import BoardRow
from apps.trainerlab.board import board as board_rows
from apps.trainerlab.debrief import debrief as debrief_of
from apps.trainerlab.models import InstructorNote, SessionEvent, TrainerSession
from apps.training.access import directs, for_instructors, visible
from apps.training.answers import complaints, done, refused
from apps.training.conversation import added_messages, facts_part, message_parts, messages_after, state_part
from apps.training.debrief import metrics_of
from apps.training.forms import FLAGS, KINDS, FindingForm, TextForm
from apps.training.parts import Part, number_of, versions_of, what_differs
from apps.training.showing import show
from apps.training.views.chat import EVENT_KINDS, events_url

WATCH = "training:watch"
MAX_KEY = 64


@for_instructors
@require_GET
def board(request: PageRequest) -> HttpResponse:
    return show(request, "training/board.html", {"board": board_part(request)})


@for_instructors
@require_GET
def board_live(request: PageRequest) -> HttpResponse:
    return what_differs(request, [board_part(request)])


def board_part(request: PageRequest) -> Part:
    """All sessions at a glance."""
    rows = board_rows(request.user)
    context = {
        "live": [row for row in rows if not row.simulation.has_ended],
        "ended": [row for row in rows if row.simulation.has_ended],
    }
    return Part(id="board", template="training/parts/board.html", shown=list(map(_seen, rows)), context=context)


def _seen(row: BoardRow) -> list[Any]:
    simulation = row.simulation
    return [simulation.pk, simulation.status, simulation.feedback_status, simulation.ends_at, row.messages, row.events]


@for_instructors
@require_GET
def watch(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    simulation = visible(request.user, simulation_id)
    context = {
        "simulation": simulation,
        "rows": messages_after(simulation, 0),
        "parts": {part.id: part for part in watch_parts(simulation)},
        "events_url": events_url(simulation),
        "kinds": EVENT_KINDS,
        "watching": True,
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


def watch_parts(simulation: Simulation) -> list[Part]:
    """Beside the conversation: state, facts, what can be done, what was done, notes."""
    commands = SessionEvent.objects.filter(session__simulation=simulation).select_related("actor").order_by("pk")
    notes = InstructorNote.objects.filter(session__simulation=simulation).select_related("author").order_by("pk")
    return [
        state_part(simulation),
        facts_part(simulation),
        controls_part(simulation),
        Part(
            id="commands",
            template="training/parts/commands.html",
            shown=[row.pk for row in commands],
            context={"commands": commands},
        ),
        Part(
            id="notes",
            template="training/parts/notes.html",
            shown=[[row.pk, row.content] for row in notes],
            context={"notes": notes, "simulation": simulation},
        ),
    ]


def controls_part(simulation: Simulation) -> Part:
    """What can be done now; sent again only when the state changes, so that no text is lost."""
    known = set(SimulationMetadata.objects.filter(simulation=simulation).values_list("key", flat=True))
    prepared = [finding for finding in findings_of(simulation.findings) if finding.key not in known]
    context = {"simulation": simulation, "prepared": prepared, "kinds_of_findings": KINDS, "flags": FLAGS}
    return Part(
        id="controls",
        template="training/parts/controls.html",
        shown=[simulation.status, [finding.key for finding in prepared]],
        context=context,
    )


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


def _told(what: Callable[..., SessionEvent]) -> Callable[[PageRequest, Simulation, str], str]:
    def do(request: PageRequest, simulation: Simulation, key: str) -> str:
        form = TextForm(request.POST)
        if not form.is_valid():
            return complaints(form)
        what(simulation.pk, request.user, key, form.cleaned_data["text"])
        return ""

    return do


def _plain(what: Callable[..., SessionEvent]) -> Callable[[PageRequest, Simulation, str], str]:
    def do(request: PageRequest, simulation: Simulation, key: str) -> str:
        what(simulation.pk, request.user, key)
        return ""

    return do


def _finding(request: PageRequest, simulation: Simulation, key: str) -> str:
    """One that the case has prepared, or one that was written just now."""
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
    directing.inject_finding(simulation.pk, request.user, key, finding)
    return ""


COMMANDS: dict[str, Callable[[PageRequest, Simulation, str], str]] = {
    "event": _told(directing.inject_event),
    "direction": _told(directing.give_direction),
    "finding": _finding,
    "pause": _plain(directing.pause),
    "resume": _plain(directing.resume),
    "end": _plain(directing.end_session),
}
"""Each returns what is wrong with the form, or nothing."""


@signed_in
@require_GET
def debrief(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    """Everything about a session on one page, on screen and on paper; for its trainee after the end."""
    simulation = visible(request.user, simulation_id)
    if not simulation.has_ended and not directs(request.user):
        return redirect("training:chat", simulation.uuid)
    found = debrief_of(simulation)
    session = TrainerSession.objects.select_related("template").filter(simulation=simulation).first()
    context = {
        "simulation": simulation,
        "debrief": found,
        "metrics": metrics_of(found.feedback),
        "title": session.template.title if session and session.template else "",
        "directs": directs(request.user),
    }
    return show(request, "training/debrief.html", context)
