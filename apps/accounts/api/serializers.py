"""Invitations as the API shows them."""

from __future__ import annotations

from typing import Any

from apps.accounts.models import Invitation, InvitationEvent


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


def sent_shown(invitation: Invitation) -> dict[str, Any]:
    """As InvitationSent."""
    return {**invitation_shown(invitation), "claim_link": invitation.unsent_link or None}


def event_shown(event: InvitationEvent) -> dict[str, Any]:
    """As InvitationEventOut."""
    return {
        "action": event.action,
        "actor": event.actor.email if event.actor else None,
        "detail": event.detail,
        "created_at": event.created_at,
    }
