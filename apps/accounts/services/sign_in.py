"""Sign-in with rate limits, for the API and the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import authenticate

from apps.accounts.client_ip import client_address
from apps.accounts.models import User
from apps.accounts.throttle import Window

if TYPE_CHECKING:
    from django.http import HttpRequest

GUESSES = Window(name="sign-in", limit=10, seconds=300)
"""Attempts for one email from one address; a success forgets them."""
ACCOUNTS = Window(name="sign-in-account", limit=20, seconds=300)
"""Attempts for one email, from whatever addresses; a success forgets them."""
FAILURES = Window(name="sign-in-address", limit=100, seconds=300)
"""Failures from one address, whatever the emails."""


class TooManyAttempts(Exception):
    """Too many attempts; `wait` is in seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__(f"Too many attempts. Try again in {wait} seconds.")
        self.wait = wait


class WrongCredentials(Exception):
    """The email or the password is wrong."""


def who_signs_in(request: HttpRequest, email: str, password: str) -> User:
    """The active user of these credentials; the caller starts the session.

    Raises TooManyAttempts or WrongCredentials.
    """
    address = client_address(request)
    account = email.strip().lower()
    attempt = f"{account} {address}"
    wait = FAILURES.full(address) or GUESSES.hit(attempt) or ACCOUNTS.hit(account)
    if wait:
        raise TooManyAttempts(wait)
    user = authenticate(request, username=email, password=password)
    if not isinstance(user, User):
        FAILURES.hit(address)
        raise WrongCredentials
    GUESSES.forget(attempt)
    ACCOUNTS.forget(account)
    return user
