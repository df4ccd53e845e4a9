"""Invitations: create and send, send again, revoke, claim. Each step is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.accounts.emails import delivers, post
from apps.accounts.errors import (
    AccountExists,
    AccountRefused,
    InvitationClaimed,
    InvitationExpired,
    InvitationOpen,
    InvitationRevoked,
    InvitationUnknown,
    InviterMayNot,
    RoleNotYours,
    WeakPassword,
)
from apps.accounts.models import User
from apps.accounts.models.invitations import Invitation, InvitationAction, InvitationEvent, InvitationState
from apps.accounts.models.roles import UserRole, invitable_by
from orchestration.clock import database_now

if TYPE_CHECKING:
    LinkTo = Callable[[str], str]

REFUSALS: dict[InvitationState, type[AccountRefused]] = {
    InvitationState.EXPIRED: InvitationExpired,
    InvitationState.CLAIMED: InvitationClaimed,
    InvitationState.REVOKED: InvitationRevoked,
}


def invite(email: str, role: UserRole, invited_by: User, link_to: LinkTo) -> Invitation:
    """Create an invitation and send it; an earlier, expired one is revoked. `link_to(token)` is the URL in the email.

    The email is sent after the commit; when that fails, `sent_at` stays null and `unsent_link` is what to pass on
    instead. Raises RoleNotYours, AccountExists or InvitationOpen.
    """
    if role not in invitable_by(invited_by):
        raise RoleNotYours
    email = email.lower()
    with transaction.atomic():
        if User.objects.filter(email=email).exists():
            raise AccountExists
        _revoke_expired(email, invited_by)
        invitation = Invitation(email=email, role=role, invited_by=invited_by)
        token = invitation.draw_token()
        try:
            with transaction.atomic():
                invitation.save(force_insert=True)
        except IntegrityError as error:  # another request was first
            raise InvitationOpen from error
        record(invitation, InvitationAction.CREATED, invited_by)
    _send(invitation, link_to(token), invited_by)
    return invitation


def _revoke_expired(email: str, actor: User) -> None:
    for known in Invitation.objects.select_for_update(no_key=True).unsettled().filter(email=email):
        if known.state is InvitationState.OPEN and _is_vouched_for(known):
            raise InvitationOpen
        _revoke(known, actor)


def resend(invitation_id: int, actor: User, link_to: LinkTo) -> Invitation:
    """Send it again with a new token and a new expiry; the earlier link no longer works. It becomes the actor's when
    its sender may no longer invite to this role.

    Raises InvitationClaimed, InvitationRevoked or RoleNotYours, and Invitation.DoesNotExist.
    """
    with transaction.atomic():
        invitation = _locked(invitation_id)
        if UserRole(invitation.role) not in invitable_by(actor):
            raise RoleNotYours
        if invitation.state in {InvitationState.CLAIMED, InvitationState.REVOKED}:
            raise REFUSALS[invitation.state]
        if not _is_vouched_for(invitation):
            invitation.invited_by = actor
        token = invitation.draw_token()
        invitation.save(update_fields=["token_hash", "expires_at", "invited_by"])
        record(invitation, InvitationAction.RESENT, actor)
    _send(invitation, link_to(token), actor)
    return invitation


def revoke(invitation_id: int, actor: User) -> Invitation:
    """Revoke it; doing it again changes nothing. Raises InvitationClaimed, and Invitation.DoesNotExist."""
    with transaction.atomic():
        invitation = _locked(invitation_id)
        if invitation.state is InvitationState.CLAIMED:
            raise InvitationClaimed("This invitation has already been used; deactivate the account instead.")
        if invitation.state is not InvitationState.REVOKED:
            _revoke(invitation, actor)
    return invitation


def _revoke(invitation: Invitation, actor: User) -> None:
    invitation.revoked_at = database_now()
    invitation.save(update_fields=["revoked_at"])
    record(invitation, InvitationAction.REVOKED, actor)


def find_open(token: str) -> Invitation:
    """The invitation of a token that can be claimed now; raises as `claim` does."""
    invitation = Invitation.objects.by_token(token).first()
    if invitation is None:
        raise InvitationUnknown
    _check_claimable(invitation)
    return invitation


def claim(token: str, password: str, *, first_name: str = "", last_name: str = "") -> User:
    """Create the account of an invitation, once: the row is locked, so that the second of two claims is refused.

    Raises InvitationUnknown, InvitationExpired, InvitationClaimed, InvitationRevoked, InviterMayNot, AccountExists or
    WeakPassword; a refused claim of a known invitation is recorded.
    """
    try:
        with transaction.atomic():
            return _claim(token, password, {"first_name": first_name, "last_name": last_name})
    except AccountRefused as error:
        known = Invitation.objects.by_token(token).first()
        if known is not None:
            record(known, InvitationAction.REFUSED, None, error.code)
        raise


def _claim(token: str, password: str, names: dict[str, str]) -> User:
    invitation = Invitation.objects.select_for_update(no_key=True).by_token(token).first()
    if invitation is None:
        raise InvitationUnknown
    _check_claimable(invitation)
    fields: dict[str, Any] = {"email": invitation.email, "role": invitation.role, **names}
    check_password(password, User(**fields))
    if User.objects.filter(email=invitation.email).exists():
        raise AccountExists
    user = User.objects.create_user(password=password, **fields)
    invitation.claimed_by = user
    invitation.claimed_at = database_now()
    invitation.save(update_fields=["claimed_by", "claimed_at"])
    record(invitation, InvitationAction.CLAIMED, user)
    return user


def _check_claimable(invitation: Invitation) -> None:
    if invitation.state is not InvitationState.OPEN:
        raise REFUSALS[invitation.state]
    if not _is_vouched_for(invitation):
        raise InviterMayNot


def _is_vouched_for(invitation: Invitation) -> bool:
    """Whether its sender may still invite to its role: nobody gives more rights than they have."""
    inviter = invitation.invited_by
    return inviter is not None and UserRole(invitation.role) in invitable_by(inviter)


def check_password(password: str, user: User) -> None:
    """Raises WeakPassword with every reason."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword(error.messages) from error


def record(invitation: Invitation, action: InvitationAction, actor: User | None, detail: str = "") -> None:
    InvitationEvent.objects.create(invitation=invitation, action=action, actor=actor, detail=detail)


def _locked(invitation_id: int) -> Invitation:
    return Invitation.objects.select_for_update(no_key=True).get(pk=invitation_id)


def _send(invitation: Invitation, link: str, actor: User) -> None:
    """Outside every transaction: a mail server may be slow, and an email that was sent cannot be recalled."""
    inviter = actor.get_full_name() or actor.email
    context = {"link": link, "role": invitation.get_role_display(), "inviter": inviter, "until": invitation.expires_at}
    sent = post("invitation", invitation.email, context) and delivers()
    invitation.unsent_link = "" if sent else link
    invitation.sent_at = database_now() if sent else None
    with transaction.atomic():
        Invitation.objects.filter(pk=invitation.pk).update(sent_at=invitation.sent_at)
        record(invitation, InvitationAction.SENT if sent else InvitationAction.NOT_SENT, actor)
