"""Invitations over REST. Those that the caller may not see answer 404."""

from __future__ import annotations

from typing import Annotated, Any

from django.contrib.auth import login
from django.http import HttpRequest
from django.middleware.csrf import get_token
from ninja import Query, Router, Status

from apps.accounts.api.permissions import (
    MISSING,
    PUBLIC,
    REFUSED,
    check_public_request,
    refusals,
)
from apps.accounts.api.schemas import (
    Claim,
    InvitationEventOut,
    InvitationIn,
    InvitationOut,
    InvitationPage,
    InvitationSent,
    SessionOut,
)
from apps.accounts.api.serializers import event_shown, invitation_shown, sent_shown
from apps.accounts.auth import AuthedRequest, require
from apps.accounts.email_links import claim_link
from apps.accounts.errors import InvitationUnknown
from apps.accounts.models.invitations import Invitation, InvitationQuerySet
from apps.accounts.models.roles import Scope
from apps.accounts.services.invitations import claim, invite, resend, revoke
from apps.accounts.throttle import INVITATION_EMAILS
from orchestration.api.errors import ApiError
from orchestration.api.permissions import needs
from orchestration.api.row_pages import page_shown
from orchestration.api.schemas import ErrorOut

router = Router(tags=["accounts"])


def changeable_invitation(request: AuthedRequest, invitation_id: int) -> Invitation:
    """ApiError 404 for one that the caller may neither send nor revoke."""
    user = require(request, Scope.INVITATIONS_WRITE).user
    return _one(Invitation.objects.changeable_by(user), invitation_id)


@router.get("/invitations", response={200: InvitationPage, **REFUSED, 422: ErrorOut}, summary="List invitations")
@needs(Scope.INVITATIONS_WRITE)
def list_invitations(
    request: AuthedRequest,
    after: Annotated[int, Query(ge=1, le=2**62)] | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    """Newest first: the caller's own, for staff all."""
    rows = _seen(request)
    if after is not None:
        rows = rows.filter(pk__lt=after)
    return page_shown(rows.order_by("-pk"), limit, invitation_shown, lambda invitation: invitation.pk)


@router.post(
    "/invitations",
    response={201: InvitationSent, **REFUSED, 409: ErrorOut, 422: ErrorOut, 429: ErrorOut},
    summary="Invite somebody by email",
)
@needs(Scope.INVITATIONS_WRITE)
def create_invitation(request: AuthedRequest, body: InvitationIn) -> Status[dict[str, Any]]:
    """409 when they have an account or an open invitation. Without an email, `claim_link` is what to pass on."""
    user = require(request, Scope.INVITATIONS_WRITE).user
    INVITATION_EMAILS.check(str(user.pk), "invitations")
    with refusals():
        invitation = invite(body.email, body.role, user, claim_link(request))
    return Status(201, sent_shown(invitation))


@router.get(
    "/invitations/{int:invitation_id}/events",
    response={200: list[InvitationEventOut], **MISSING},
    summary="What happened to an invitation",
)
@needs(Scope.INVITATIONS_WRITE)
def list_invitation_events(request: AuthedRequest, invitation_id: int) -> list[dict[str, Any]]:
    """In order, with who did it."""
    invitation = _one(_seen(request), invitation_id)
    return [event_shown(event) for event in invitation.events.select_related("actor").order_by("id")[:200]]


@router.post(
    "/invitations/{int:invitation_id}/resend",
    response={200: InvitationSent, **MISSING, 410: ErrorOut, 429: ErrorOut},
    summary="Send an invitation again, with a new link and a new expiry",
)
@needs(Scope.INVITATIONS_WRITE, row=changeable_invitation)
def resend_invitation(request: AuthedRequest, invitation_id: int) -> dict[str, Any]:
    """The earlier link no longer works."""
    user, invitation = request.auth.user, changeable_invitation(request, invitation_id)
    INVITATION_EMAILS.check(str(user.pk), "invitations")
    with refusals():
        return sent_shown(resend(invitation.pk, user, claim_link(request)))


@router.post(
    "/invitations/{int:invitation_id}/revoke",
    response={200: InvitationOut, **MISSING, 410: ErrorOut},
    summary="Revoke an invitation; doing it again changes nothing",
)
@needs(Scope.INVITATIONS_WRITE, row=changeable_invitation)
def revoke_invitation(request: AuthedRequest, invitation_id: int) -> dict[str, Any]:
    """410 when it has already been used."""
    user, invitation = request.auth.user, changeable_invitation(request, invitation_id)
    with refusals():
        revoke(invitation.pk, user)
    return invitation_shown(_one(_seen(request), invitation_id))


@router.post(
    "/auth/claim",
    auth=None,
    response={201: SessionOut, **PUBLIC},
    summary="Create the account of an invitation, once, and sign in",
)
def claim_invitation(request: HttpRequest, body: Claim) -> Status[dict[str, Any]]:
    """410 says why an invitation can no longer be used."""
    check_public_request(request)
    with refusals():
        user = claim(body.token, body.password, first_name=body.first_name, last_name=body.last_name)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return Status(201, {"csrf_token": get_token(request), "user": user})


def _seen(request: AuthedRequest) -> InvitationQuerySet:
    user = require(request, Scope.INVITATIONS_WRITE).user
    return Invitation.objects.visible_to(user).select_related("invited_by")


def _one(rows: InvitationQuerySet, invitation_id: int) -> Invitation:
    invitation = rows.filter(pk=invitation_id).first()
    if invitation is None:
        raise ApiError(404, InvitationUnknown.code, "There is no such invitation.")
    return invitation
