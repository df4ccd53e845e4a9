"""Refusals of the accounts; the docstring is the message, `code` is for programs, `status` for HTTP."""

from __future__ import annotations


class AccountRefused(Exception):
    """This request was refused."""

    code = "conflict"
    status = 409

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class RoleNotYours(AccountRefused):
    """You may not invite people to this role."""

    code = "role_not_yours"
    status = 403


class AccountExists(AccountRefused):
    """There is already an account with this email. Its owner can sign in, or reset the password."""

    code = "account_exists"


class InvitationOpen(AccountRefused):
    """This email already has an open invitation. Send it again, or revoke it first."""

    code = "invitation_open"


class InvitationUnknown(AccountRefused):
    """There is no such invitation. Check the link, or ask for a new one."""

    code = "invitation_unknown"
    status = 404


class InvitationExpired(AccountRefused):
    """This invitation has expired. Ask the person who invited you to send it again."""

    code = "invitation_expired"
    status = 410


class InvitationClaimed(AccountRefused):
    """This invitation has already been used. Sign in, or reset your password."""

    code = "invitation_claimed"
    status = 410


class InviterMayNot(AccountRefused):
    """The person who invited you may no longer invite to this role. Ask somebody who may for an invitation."""

    code = "inviter_may_not"
    status = 410


class InvitationRevoked(AccountRefused):
    """This invitation was revoked. Ask the person who invited you."""

    code = "invitation_revoked"
    status = 410


class WeakPassword(AccountRefused):
    """This password cannot be used; see details."""

    code = "weak_password"
    status = 422

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(f"This password cannot be used. {' '.join(reasons)}")
        self.reasons = reasons


class ResetLinkInvalid(AccountRefused):
    """This link has been used or has expired. Request a new one."""

    code = "reset_link_invalid"
    status = 410


class MailUnavailable(AccountRefused):
    """No email can be sent at the moment. Try again later."""

    code = "mail_unavailable"
    status = 503
