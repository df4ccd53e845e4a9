"""What workers do for accounts. Each takes keys of rows, and nothing that is secret."""

from __future__ import annotations

from apps.accounts.services import password_reset


def send_reset(user_id: int, host: str, secure: bool) -> bool:
    """Send the email for a new password; see `apps.accounts.services.password_reset.request_reset`."""
    return password_reset.send_reset(user_id, host, secure)
