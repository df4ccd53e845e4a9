"""The preview of a scenario beside its editor: a small chat with the patient as it was last saved."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_GET

from apps.accounts.decorators import PageRequest
from apps.chatlab.models import Message
from apps.simulation.models import Simulation
from apps.training.live.conversation import added_messages, message_parts, messages_after, state_part
from apps.training.live.fragments import Part, number_of, versions_of, what_differs
from apps.training.permissions import for_instructors
from apps.training.views.chat import EVENT_KINDS, events_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A preview as its panel shows it."""

    simulation: Simulation
    rows: list[Message]
    state: Part
    events_url: str
    kinds: str = EVENT_KINDS


def preview_of(request: PageRequest) -> Preview | None:
    """The preview that the address of an editor names, if it is this person's."""
    try:
        found = _own(request, UUID(request.GET.get("preview", "")))
    except ValueError:
        return None
    if found is None:
        return None
    return Preview(
        simulation=found, rows=messages_after(found, 0), state=state_part(found), events_url=events_url(found)
    )


@for_instructors
@require_GET
def live(request: PageRequest, simulation_id: UUID) -> HttpResponse:
    """What the panel does not have yet."""
    simulation = _own(request, simulation_id)
    if simulation is None:
        raise Http404("There is no such preview.")
    rows = messages_after(simulation, number_of(request.GET.get("after", "")))
    have = versions_of(request.GET.get("have", ""))
    parts = [state_part(simulation), *message_parts(simulation, have)]
    return what_differs(request, parts, added=added_messages(request, simulation, rows))


def _own(request: PageRequest, simulation_id: UUID) -> Simulation | None:
    rows = Simulation.objects.select_related("user").filter(user=request.user, is_preview=True)
    return rows.filter(uuid=simulation_id).first()
