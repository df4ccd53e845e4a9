"""What a trainee gets after the end: the feedback, answers to questions about it, and the conversation again."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.page_access import PageRequest, signed_in
from apps.simulation.debriefing import ask_about_feedback, regenerate_feedback, retry_question
from apps.simulation.models import FeedbackQuestion, Simulation
from apps.simulation.schemas import QuestionIn
from apps.training.access import changeable, visible
from apps.training.answers import refused
from apps.training.conversation import facts_part, messages_after
from apps.training.debrief import feedback_part, questions_part
from apps.training.parts import Part, what_differs
from apps.training.showing import show
from apps.training.views.chat import EVENT_KINDS, attempt, events_url, key_of

FEEDBACK = "training:feedback"


@signed_in
@require_GET
def feedback(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    simulation = visible(request.user, simulation_id)
    if not simulation.has_ended:
        return redirect("training:chat", simulation.uuid)
    about, questions, facts = _parts(request, simulation)
    context = {
        "simulation": simulation,
        "rows": messages_after(simulation, 0),
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


def _parts(request: PageRequest, simulation: Simulation) -> list[Part]:
    mine = _mine(request, simulation)
    return [
        feedback_part(simulation, mine=mine),
        questions_part(simulation, mine=mine),
        facts_part(simulation),
    ]


def _mine(request: PageRequest, simulation: Simulation) -> bool:
    return Simulation.objects.changeable_by(request.user).filter(pk=simulation.pk).exists()
