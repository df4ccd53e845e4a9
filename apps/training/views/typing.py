"""What the patient is saying, while it is written: for whoever may see the session."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q
from django.http import Http404
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from apps.accounts.decorators import PageRequest, signed_in
from apps.chatlab.models import Message
from apps.chatlab.orca.services import GeneratePatientInitial, GeneratePatientReply
from apps.training.permissions import visible
from orchestration.api.sse import streaming_response
from orchestration.api.streams import call_stream
from orchestration.models import ServiceCallRecord

SPEAKING = (str(GeneratePatientInitial.identity), str(GeneratePatientReply.identity))
LONGEST = 18
"""Digits of the number of an event."""


@signed_in
@require_GET
def typing(request: PageRequest, simulation_id: UUID, call_id: UUID) -> HttpResponseBase:
    """The stream of a call of this session in which the patient speaks; else Http404."""
    simulation = visible(request.user, simulation_id)
    asked = Message.objects.filter(simulation=simulation, call_id=str(call_id)).values("call_id")
    calls = ServiceCallRecord.objects.filter(Q(pk__in=asked) | Q(pk=simulation.initial_call_id), pk=str(call_id))
    if not calls.filter(service_identity__in=SPEAKING).exists():
        raise Http404("The patient says nothing of that.")
    return streaming_response(request, call_stream(str(call_id), _last_seen(request)))


def _last_seen(request: PageRequest) -> int:
    """What a browser sends that comes back; anything else begins a new one."""
    value = request.headers.get("Last-Event-ID", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= LONGEST else 0
