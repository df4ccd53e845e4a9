"""A trainee's pages: assignments, running simulations, history."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from apps.accounts.decorators import PageRequest, signed_in
from apps.accounts.models import User
from apps.simulation.models import Simulation, SimulationStatus
from apps.simulation.models.simulations import SimulationQuerySet
from apps.trainerlab.models import Assignment, ScenarioTemplate
from apps.training.permissions import directs
from apps.training.rendering import show

FINISHED_A_PAGE = 20


@signed_in
@require_GET
def home(request: PageRequest) -> HttpResponse:
    return redirect("training:board" if directs(request.user) else "training:mine")


@signed_in
@require_GET
def mine(request: PageRequest) -> HttpResponse:
    """What is assigned, open to everybody or running, and a page of what has ended."""
    user = request.user
    own = Simulation.objects.played().filter(user=user)
    page, older = finished(own, request.GET.get("before", ""))
    context = {
        "assigned": Assignment.objects.open().filter(trainee=user).select_related("template", "assigned_by"),
        "scenarios": offered(user),
        "running": own.exclude(status=SimulationStatus.ENDED).order_by("-pk"),
        "finished": page,
        "older": older,
        "turned": "before" in request.GET,
    }
    return show(request, "training/mine.html", context)


def offered(user: User) -> list[ScenarioTemplate]:
    """The scenarios that this person may start without an assignment, without those that are assigned."""
    assigned = Assignment.objects.open().filter(trainee=user).values("template")
    return list(ScenarioTemplate.objects.startable_by(user).exclude(pk__in=assigned))


def finished(rows: SimulationQuerySet, before: str) -> tuple[list[Simulation], UUID | None]:
    """A page of ended simulations, newest first, and where the next one begins. Http404 for an unknown cursor."""
    ended = rows.filter(status=SimulationStatus.ENDED).order_by("-pk")
    if before:
        ended = ended.filter(pk__lt=_cursor(rows, before))
    page = list(ended[: FINISHED_A_PAGE + 1])
    more = len(page) > FINISHED_A_PAGE
    return page[:FINISHED_A_PAGE], page[FINISHED_A_PAGE - 1].uuid if more else None


def _cursor(rows: SimulationQuerySet, before: str) -> int:
    try:
        found = rows.filter(uuid=UUID(before)).values_list("pk", flat=True).first()
    except ValueError:
        found = None
    if found is None:
        raise Http404("There is no such page. Start with the newest.")
    return int(found)
