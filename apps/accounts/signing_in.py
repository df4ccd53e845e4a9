"""Checking an email and a password, at most so often: the API and the pages sign in through here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import authenticate

from apps.accounts.addresses import client_address
from apps.accounts.models import User
from apps.accounts.throttle import Window

if TYPE_CHECKING:
    from django.http import HttpRequest

GUESSES = Window(name="sign-in", limit=10, seconds=300)
"""Attempts for one email from one address; a success forgets them."""
FAILURES = Window(name="sign-in-address", limit=100, seconds=300)
"""Failures from one address, whatever the emails."""


class TooManyAttempts(Exception):
    """Too many attempts; `wait` is in seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__(f"Too many attempts. Try again in {wait} seconds.")
        self.wait = wait


class WrongCredentials(Exception):
    """This email and password do not belong together."""


def who_signs_in(request: HttpRequest, email: str, password: str) -> User:
    """The active user of these credentials. Raises TooManyAttempts or WrongCredentials; nobody is signed in yet."""
    address = client_address(request)
    attempt = f"{email.lower()} {address}"
    wait = FAILURES.full(address) or GUESSES.hit(attempt)
    if wait:
        raise TooManyAttempts(wait)
    user = authenticate(request, username=email, password=password)
    if not isinstance(user, User):
        FAILURES.hit(address)
        raise WrongCredentials
    GUESSES.forget(attempt)
    return user
