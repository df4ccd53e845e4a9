"""The page of an ended simulation: the feedback, questions about it, and the conversation."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.decorators import PageRequest, signed_in
from apps.accounts.throttle import charge
from apps.simulation.api.schemas import QuestionIn
from apps.simulation.models import FeedbackQuestion, Simulation
from apps.simulation.services.feedback import ask_about_feedback, regenerate_feedback, retry_question
from apps.trainerlab.models import InstructorNote, TrainerSession
from apps.trainerlab.services.scenarios import start_scenario
from apps.training.live.conversation import facts_part, messages_after
from apps.training.live.debrief import feedback_part, questions_part
from apps.training.live.fragments import Part, what_differs
from apps.training.permissions import changeable, visible
from apps.training.rendering import show
from apps.training.responses import refused
from apps.training.views.chat import EVENT_KINDS, attempt, events_url, key_of
from orchestration.api.errors import ApiError

FEEDBACK = "training:feedback"


@signed_in
@require_GET
def feedback(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    simulation = visible(request.user, simulation_id)
    if not simulation.has_ended:
        return redirect("training:chat", simulation.uuid)
    about, questions, facts = _parts(request, simulation)
    rows, notes = messages_after(simulation, 0), notes_on(simulation)
    for message in rows:
        message.notes = notes.get(message.sequence, [])  # type: ignore[attr-defined]  # for the template
    session = session_of(simulation)
    context = {
        "simulation": simulation,
        "rows": rows,
        "notes": notes.get(None, []),
        "title": session.template.title if session and session.template else "",
        "may_replay": _mine(request, simulation) and may_replay(session),
        "feedback_part": about,
        "questions_part": questions,
        "facts": facts,
        "mine": _mine(request, simulation),
        "events_url": events_url(simulation),
        "kinds": EVENT_KINDS,
    }
    return show(request, "training/feedback.html", context)


@signed_in
@require_GET
def live(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    return what_differs(request, _parts(request, visible(request.user, simulation_id)))


@signed_in
@require_POST
def ask(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    def post(simulation: Simulation) -> object:
        body = QuestionIn(question=request.POST.get("question", ""), client_id=key_of(request))
        return ask_about_feedback(simulation.pk, request.user, body.question, body.client_id)

    return attempt(request, changeable(request.user, simulation_id), post, FEEDBACK)


@signed_in
@require_POST
def ask_again(request: PageRequest, simulation_id: UUID, question_id: int) -> HttpResponse:
    simulation = changeable(request.user, simulation_id)
    try:
        return attempt(request, simulation, lambda found: retry_question(found.pk, question_id), FEEDBACK)
    except FeedbackQuestion.DoesNotExist:
        return refused(request, "There is no such question.", FEEDBACK, simulation.uuid, status=404)


@signed_in
@require_POST
def regenerate(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    simulation = changeable(request.user, simulation_id)
    return attempt(request, simulation, lambda found: regenerate_feedback(found.pk, request.user), FEEDBACK)


def notes_on(simulation: Simulation) -> dict[int | None, list[InstructorNote]]:
    """The notes of instructors by the number of their message; under None those on the whole session."""
    found: dict[int | None, list[InstructorNote]] = {}
    for note in InstructorNote.objects.filter(session__simulation=simulation).select_related("author").order_by("pk"):
        found.setdefault(note.message_sequence, []).append(note)
    return found


def session_of(simulation: Simulation) -> TrainerSession | None:
    return TrainerSession.objects.select_related("template", "instructor").filter(simulation=simulation).first()


def may_replay(session: TrainerSession | None) -> bool:
    """Whether the scenario of a session can be played again: who has played it knows it already."""
    return session is not None and session.template is not None and session.template.archived_at is None


@signed_in
@require_POST
def again(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    """Another session of the same scenario, for whoever played this one."""
    session = session_of(changeable(request.user, simulation_id))
    if session is None or session.template is None or not may_replay(session):
        messages.error(request, "The scenario of this session can no longer be played.")
        return redirect(FEEDBACK, simulation_id)
    try:
        charge(request.user.pk, "asking")
    except ApiError as error:
        messages.error(request, error.message)
        return redirect(FEEDBACK, simulation_id)
    return redirect("training:chat", start_scenario(session.template, request.user, session.instructor).uuid)


def _parts(request: PageRequest, simulation: Simulation) -> list[Part]:
    mine = _mine(request, simulation)
    return [
        feedback_part(simulation, mine=mine),
        questions_part(simulation, mine=mine),
        facts_part(simulation),
    ]


def _mine(request: PageRequest, simulation: Simulation) -> bool:
    return Simulation.objects.changeable_by(request.user).filter(pk=simulation.pk).exists()
