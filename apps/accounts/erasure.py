"""What an erasure leaves of an account: the account itself, which is deleted, not erased."""

from __future__ import annotations

from apps.accounts.models import ApiKey, Invitation, InvitationEvent, User
from persistence.maintenance.kept import CODES, keep


def register() -> None:
    """Declare what goes with the account alone."""
    keep(User, "The account itself: delete it.", "email", "first_name", "last_name", "password")
    keep(ApiKey, "Goes with the account.", "name", "prefix", "hash", "scopes", "allowed_models")
    keep(Invitation, "Whom an account was offered to: delete it.", "email", "token_hash")
    keep(InvitationEvent, CODES, "detail")
