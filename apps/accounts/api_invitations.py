"""Invitations over REST. Whose you may not see are 404."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from django.contrib.auth import login
from django.http import HttpRequest
from django.middleware.csrf import get_token
from ninja import Query, Router, Status

from apps.accounts.addresses import client_address
from apps.accounts.auth import AuthedRequest, require
from apps.accounts.errors import AccountRefused, InvitationUnknown, WeakPassword
from apps.accounts.invitations import Invitation, InvitationQuerySet
from apps.accounts.inviting import claim, invite, resend, revoke
from apps.accounts.links import claim_link
from apps.accounts.resetting import request_reset, reset_password
from apps.accounts.roles import Scope
from apps.accounts.schemas import (
    Claim,
    InvitationEventOut,
    InvitationIn,
    InvitationOut,
    InvitationPage,
    ResetConfirm,
    ResetRequest,
    SessionOut,
)
from apps.accounts.throttle import Window
from orchestration.api_errors import ApiError
from orchestration.api_schemas import ErrorOut

router = Router(tags=["accounts"])

REFUSED = {401: ErrorOut, 403: ErrorOut}
MISSING = {**REFUSED, 404: ErrorOut}
OPEN_DOOR = {401: ErrorOut, 404: ErrorOut, 409: ErrorOut, 410: ErrorOut, 415: ErrorOut, 422: ErrorOut, 429: ErrorOut}

LETTERS = Window(name="letters", limit=30, seconds=3600)
"""Invitations that one person sends."""
CLAIMS = Window(name="claims", limit=20, seconds=300)
"""Claims and new passwords from one address."""
RESETS = Window(name="resets", limit=5, seconds=3600)
"""Letters about a new password to one address."""


@router.get("/invitations", response={200: InvitationPage, **REFUSED, 422: ErrorOut}, summary="List invitations")
def list_invitations(
    request: AuthedRequest,
    after: Annotated[int, Query(ge=1, le=2**62)] | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    """Newest first: those that one sent oneself, for staff all."""
    rows = _seen(request)
    if after is not None:
        rows = rows.filter(pk__lt=after)
    page = list(rows.order_by("-pk")[: limit + 1])
    return {
        "items": [invitation_shown(invitation) for invitation in page[:limit]],
        "next": page[limit - 1].pk if len(page) > limit else None,
    }


@router.post(
    "/invitations",
    response={201: InvitationOut, **REFUSED, 409: ErrorOut, 422: ErrorOut, 429: ErrorOut},
    summary="Invite somebody by mail",
)
def create_invitation(request: AuthedRequest, body: InvitationIn) -> Status[dict[str, Any]]:
    """409 when they have an account or an open invitation. `sent_at` says whether the mail left."""
    user = require(request, Scope.INVITATIONS_WRITE).user
    LETTERS.check(str(user.pk), "invitations")
    with refusals():
        invitation = invite(body.email, body.role, user, claim_link(request))
    return Status(201, invitation_shown(invitation))


@router.get(
    "/invitations/{int:invitation_id}/events",
    response={200: list[InvitationEventOut], **MISSING},
    summary="What happened to an invitation",
)
def list_invitation_events(request: AuthedRequest, invitation_id: int) -> list[dict[str, Any]]:
    """In order, with who did it."""
    invitation = _one(_seen(request), invitation_id)
    return [
        {
            "action": event.action,
            "actor": event.actor.email if event.actor else None,
            "detail": event.detail,
            "created_at": event.created_at,
        }
        for event in invitation.events.select_related("actor").order_by("id")[:200]
    ]


@router.post(
    "/invitations/{int:invitation_id}/resend",
    response={200: InvitationOut, **MISSING, 410: ErrorOut, 429: ErrorOut},
    summary="Send an invitation again, with a new link and a new term",
)
def resend_invitation(request: AuthedRequest, invitation_id: int) -> dict[str, Any]:
    """The link of before works no more."""
    user = require(request, Scope.INVITATIONS_WRITE).user
    invitation = _one(Invitation.objects.changeable_by(user), invitation_id)
    LETTERS.check(str(user.pk), "invitations")
    with refusals():
        resend(invitation.pk, user, claim_link(request))
    return invitation_shown(_one(_seen(request), invitation_id))


@router.post(
    "/invitations/{int:invitation_id}/revoke",
    response={200: InvitationOut, **MISSING, 410: ErrorOut},
    summary="Make an invitation worthless; doing it again changes nothing",
)
def revoke_invitation(request: AuthedRequest, invitation_id: int) -> dict[str, Any]:
    """410 when it was used already."""
    user = require(request, Scope.INVITATIONS_WRITE).user
    invitation = _one(Invitation.objects.changeable_by(user), invitation_id)
    with refusals():
        revoke(invitation.pk, user)
    return invitation_shown(_one(_seen(request), invitation_id))


@router.post(
    "/auth/claim",
    auth=None,
    response={201: SessionOut, **OPEN_DOOR},
    summary="Make the account of an invitation, once, and sign in",
)
def claim_invitation(request: HttpRequest, body: Claim) -> Status[dict[str, Any]]:
    """410 says why an invitation is good for nothing any more."""
    check_open_door(request)
    with refusals():
        user = claim(body.token, body.password, first_name=body.first_name, last_name=body.last_name)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return Status(201, {"csrf_token": get_token(request), "user": user})


@router.post(
    "/auth/password-reset",
    auth=None,
    response={202: None, 401: ErrorOut, 415: ErrorOut, 422: ErrorOut, 429: ErrorOut},
    summary="Have a link for a new password sent",
)
def ask_for_reset(request: HttpRequest, body: ResetRequest) -> Status[None]:
    """The answer is the same whether or not there is such an account."""
    check_open_door(request)
    RESETS.check(body.email, "letters to one address")
    request_reset(body.email, request)
    return Status(202, None)


@router.post(
    "/auth/password-reset/confirm",
    auth=None,
    response={204: None, **OPEN_DOOR},
    summary="Set a new password with the link of the letter, once",
)
def confirm_reset(request: HttpRequest, body: ResetConfirm) -> Status[None]:
    """Every session of before is over."""
    check_open_door(request)
    with refusals():
        reset_password(body.uid, body.token, body.password)
    return Status(204, None)


def check_open_door(request: HttpRequest) -> None:
    """For requests of strangers: JSON, which another site's form cannot send, and not too often from one address."""
    if request.content_type != "application/json":
        raise ApiError(415, "json_required", "Send this request as application/json.")
    CLAIMS.check(client_address(request), "attempts")


@contextmanager
def refusals() -> Iterator[None]:
    """What accounts refuse, as the API says it."""
    try:
        yield
    except WeakPassword as error:
        raise ApiError(error.status, error.code, str(error), {"reasons": error.reasons}) from error
    except AccountRefused as error:
        raise ApiError(error.status, error.code, str(error)) from error


def _seen(request: AuthedRequest) -> InvitationQuerySet:
    user = require(request, Scope.INVITATIONS_WRITE).user
    return Invitation.objects.visible_to(user).select_related("invited_by")


def _one(rows: InvitationQuerySet, invitation_id: int) -> Invitation:
    invitation = rows.filter(pk=invitation_id).first()
    if invitation is None:
        raise ApiError(404, InvitationUnknown.code, "There is no such invitation.")
    return invitation


def invitation_shown(invitation: Invitation) -> dict[str, Any]:
    """As InvitationOut."""
    return {
        "id": invitation.pk,
        "email": invitation.email,
        "role": invitation.role,
        "state": invitation.state,
        "invited_by": invitation.invited_by.email if invitation.invited_by else None,
        "created_at": invitation.created_at,
        "expires_at": invitation.expires_at,
        "sent_at": invitation.sent_at,
        "claimed_at": invitation.claimed_at,
        "revoked_at": invitation.revoked_at,
    }
