"""Whom one has invited, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.api_invitations import LETTERS
from apps.accounts.errors import AccountRefused
from apps.accounts.forms import InvitationForm
from apps.accounts.invitations import Invitation
from apps.accounts.inviting import invite, resend, revoke
from apps.accounts.links import claim_link
from apps.accounts.page_access import PageRequest
from apps.accounts.roles import UserRole, invitable_by
from apps.training.access import for_instructors
from apps.training.showing import show
from orchestration.api_errors import ApiError

SHOWN = 100


@for_instructors
@require_http_methods(["GET", "POST"])
def invitations(request: PageRequest) -> HttpResponse:
    form = InvitationForm(request.POST or None, roles=invitable_by(request.user))
    if request.method == "POST" and form.is_valid():
        email, role = form.cleaned_data["email"], UserRole(form.cleaned_data["role"])
        try:
            LETTERS.check(str(request.user.pk), "invitations")
            invitation = invite(email, role, request.user, claim_link(request))
        except (AccountRefused, ApiError) as error:
            form.add_error(None, str(error))
        else:
            _tell(request, invitation)
            return redirect("training:invitations")
    rows = Invitation.objects.visible_to(request.user).select_related("invited_by")
    context = {"form": form, "invitations": rows[:SHOWN]}
    return show(request, "training/invitations.html", context, status=422 if form.errors else 200)


def _tell(request: PageRequest, invitation: Invitation) -> None:
    if invitation.sent_at is not None:
        messages.success(request, f"The letter to {invitation.email} is on its way.")
    else:
        messages.error(request, f"The mail to {invitation.email} could not be sent. Try to send it again later.")


@for_instructors
@require_POST
def send_again(request: PageRequest, invitation_id: int) -> HttpResponse:
    def do() -> None:
        LETTERS.check(str(request.user.pk), "invitations")
        _tell(request, resend(invitation_id, request.user, claim_link(request)))

    return _operate(request, invitation_id, do)


@for_instructors
@require_POST
def withdraw(request: PageRequest, invitation_id: int) -> HttpResponse:
    return _operate(request, invitation_id, lambda: revoke(invitation_id, request.user))


def _operate(request: PageRequest, invitation_id: int, do: Callable[[], Any]) -> HttpResponse:
    if not Invitation.objects.changeable_by(request.user).filter(pk=invitation_id).exists():
        raise Http404("There is no such invitation of yours.")
    try:
        do()
    except (AccountRefused, ApiError) as error:
        messages.error(request, str(error))
    return redirect("training:invitations")
