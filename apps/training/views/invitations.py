"""The page of invitations: invite, send again, revoke."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.decorators import PageRequest
from apps.accounts.email_links import claim_link, keep_unsent, take_unsent
from apps.accounts.errors import AccountRefused
from apps.accounts.forms import InvitationForm
from apps.accounts.models.invitations import Invitation
from apps.accounts.models.roles import UserRole, invitable_by
from apps.accounts.services.invitations import invite, resend, revoke
from apps.accounts.throttle import INVITATION_EMAILS
from apps.training.permissions import for_instructors
from apps.training.rendering import show
from orchestration.api.errors import ApiError

SHOWN = 100


@for_instructors
@require_http_methods(["GET", "POST"])
def invitations(request: PageRequest) -> HttpResponse:
    form = InvitationForm(request.POST or None, roles=invitable_by(request.user))
    if request.method == "POST" and form.is_valid():
        email, role = form.cleaned_data["email"], UserRole(form.cleaned_data["role"])
        try:
            INVITATION_EMAILS.check(str(request.user.pk), "invitations")
            invitation = invite(email, role, request.user, claim_link(request))
        except (AccountRefused, ApiError) as error:
            form.add_error(None, str(error))
        else:
            _report(request, invitation)
            return redirect("training:invitations")
    rows = Invitation.objects.visible_to(request.user).select_related("invited_by")
    context = {"form": form, "invitations": rows[:SHOWN], "unsent": take_unsent(request)}
    return show(request, "training/invitations.html", context, status=422 if form.errors else 200)


def _report(request: PageRequest, invitation: Invitation) -> None:
    if invitation.sent_at is not None:
        messages.success(request, f"The invitation to {invitation.email} has been sent.")
    else:
        keep_unsent(request, invitation)


@for_instructors
@require_POST
def resend_invitation(request: PageRequest, invitation_id: int) -> HttpResponse:
    def do() -> None:
        INVITATION_EMAILS.check(str(request.user.pk), "invitations")
        _report(request, resend(invitation_id, request.user, claim_link(request)))

    return _operate(request, invitation_id, do)


@for_instructors
@require_POST
def revoke_invitation(request: PageRequest, invitation_id: int) -> HttpResponse:
    return _operate(request, invitation_id, lambda: revoke(invitation_id, request.user))


def _operate(request: PageRequest, invitation_id: int, do: Callable[[], Any]) -> HttpResponse:
    if not Invitation.objects.changeable_by(request.user).filter(pk=invitation_id).exists():
        raise Http404("You have no such invitation.")
    try:
        do()
    except (AccountRefused, ApiError) as error:
        messages.error(request, str(error))
    return redirect("training:invitations")
