"""Notes of instructors, on a session or on one of its messages."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.decorators import PageRequest
from apps.simulation.errors import SimulationRefused
from apps.trainerlab.models import InstructorNote
from apps.trainerlab.services.commands import add_note, change_note, remove_note
from apps.training.forms import NoteForm, NoteTextForm
from apps.training.permissions import for_instructors, visible
from apps.training.rendering import show
from apps.training.responses import complaints, done, refused

WATCH, DEBRIEF = "training:watch", "training:debrief"


@for_instructors
@require_POST
def add(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    simulation = visible(request.user, simulation_id)
    form = NoteForm(request.POST)
    page = DEBRIEF if "on_debrief" in request.POST else WATCH
    if not form.is_valid():
        return refused(request, complaints(form), page, simulation.uuid, status=422)
    try:
        add_note(simulation.pk, request.user, form.cleaned_data["text"], form.cleaned_data["message_sequence"])
    except SimulationRefused as error:
        return refused(request, str(error), page, simulation.uuid)
    return done(request, page, simulation.uuid)


@for_instructors
@require_http_methods(["GET", "POST"])
def edit(request: PageRequest, simulation_id: UUID, note_id: int) -> HttpResponse:
    """Change or delete one's note."""
    simulation = visible(request.user, simulation_id)
    rows = InstructorNote.objects.select_related("session").filter(session__simulation=simulation, author=request.user)
    note = get_object_or_404(rows, pk=note_id)
    back = DEBRIEF if simulation.has_ended else WATCH
    form = NoteTextForm(request.POST or None, initial={"text": note.content})
    if "remove" in request.POST:
        remove_note(note)
        messages.success(request, "The note has been deleted.")
        return redirect(back, simulation.uuid)
    if form.is_valid():
        change_note(note, form.cleaned_data["text"])
        messages.success(request, "The note has been saved.")
        return redirect(back, simulation.uuid)
    context = {"simulation": simulation, "note": note, "form": form, "back": back}
    return show(request, "training/note.html", context, status=422 if form.errors else 200)
