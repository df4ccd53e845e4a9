"""The addresses of the pages that emails link to, and those of emails that could not be sent."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.urls import reverse

from apps.accounts.models.invitations import Invitation

UNSENT = "unsent_invitation"


def claim_link(request: HttpRequest) -> Callable[[str], str]:
    """From an invitation's token to the page that claims it, at the host that this request came to."""
    return lambda token: request.build_absolute_uri(reverse("accounts:claim", kwargs={"token": token}))


def keep_unsent(request: HttpRequest, invitation: Invitation) -> None:
    """Keep the link of an invitation that could not be sent for the next page of this person, and for no other."""
    kept = {"email": invitation.email, "link": invitation.unsent_link}
    request.session[UNSENT] = [*request.session.get(UNSENT, []), kept]


def take_unsent(request: HttpRequest) -> list[dict[str, str]]:
    """`email` and `link` of the invitations that could not be sent just now; shown once, like the emails'."""
    taken: list[dict[str, str]] = request.session.pop(UNSENT, [])
    return taken
