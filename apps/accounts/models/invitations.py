"""Invitations: a single-use secret that lets one person make one account, and a record of all that happened to it."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from apps.accounts.models.ownership import OwnedQuerySet
from apps.accounts.models.roles import Resource, UserRole
from orchestration.clock import database_now
from orchestration.values.moments import MomentField

LIFETIME = timedelta(days=7)


def token_digest(token: str) -> str:
    """SHA-256 in hex. A slow hash adds nothing here: the token has 256 random bits and cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


class InvitationState(models.TextChoices):
    """The state of an invitation; derived, never stored."""

    OPEN = "open"
    EXPIRED = "expired"
    CLAIMED = "claimed"
    REVOKED = "revoked"


class InvitationQuerySet(OwnedQuerySet["Invitation"]):
    resource = Resource.INVITATION
    owner = "invited_by"

    def unsettled(self) -> Self:
        """Neither claimed nor revoked; they may have expired."""
        return self.filter(claimed_at__isnull=True, revoked_at__isnull=True)

    def by_token(self, token: str) -> Self:
        return self.filter(token_hash=token_digest(token))


class Invitation(models.Model):
    """Only the token's hash is stored; the token itself is in the email and nowhere else."""

    email = models.EmailField("email address")
    role = models.CharField(max_length=16, choices=UserRole, default=UserRole.TRAINEE)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="invitations", editable=False
    )
    created_at = MomentField(default=database_now, editable=False)
    expires_at = MomentField(editable=False)
    sent_at = MomentField(null=True, editable=False)
    """When the email was last handed over; null: never."""
    claimed_by = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="invitation", editable=False
    )
    claimed_at = MomentField(null=True, editable=False)
    revoked_at = MomentField(null=True, editable=False)

    unsent_link = ""
    """What the email would have linked to, when it could not be sent just now. Never stored."""

    objects = InvitationQuerySet.as_manager()

    class Meta:
        db_table = "invitation"
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(condition=Q(role__in=UserRole.values), name="invitation_role_known"),
            models.CheckConstraint(
                condition=Q(claimed_at__isnull=True) | Q(revoked_at__isnull=True), name="invitation_settled_once"
            ),
            models.UniqueConstraint(
                Lower("email"),
                condition=Q(claimed_at__isnull=True, revoked_at__isnull=True),
                name="invitation_open_once_per_email",
            ),
        )

    def __str__(self) -> str:
        return f"invitation of {self.email} as {self.role}"

    def draw_token(self, now: datetime | None = None) -> str:
        """Set a new token and a new expiry, unsaved; the earlier token no longer works then. Returns the token."""
        token = secrets.token_urlsafe(32)
        self.token_hash = token_digest(token)
        self.expires_at = (now or database_now()) + LIFETIME
        return token

    @property
    def state(self) -> InvitationState:
        if self.claimed_at is not None:
            return InvitationState.CLAIMED
        if self.revoked_at is not None:
            return InvitationState.REVOKED
        return InvitationState.EXPIRED if self.expires_at <= database_now() else InvitationState.OPEN


class InvitationAction(models.TextChoices):
    CREATED = "created"
    SENT = "sent"
    NOT_SENT = "not_sent"
    RESENT = "resent"
    REVOKED = "revoked"
    CLAIMED = "claimed"
    REFUSED = "refused"


class InvitationEvent(models.Model):
    """What happened to an invitation, who did it, and when. Rows are only ever added."""

    invitation = models.ForeignKey(Invitation, on_delete=models.CASCADE, related_name="events")
    action = models.CharField(max_length=16, choices=InvitationAction)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    detail = models.CharField(max_length=64, blank=True, default="")
    created_at = MomentField(default=database_now, editable=False)

    class Meta:
        db_table = "invitation_event"
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.action} {self.invitation_id}"
