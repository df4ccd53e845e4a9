"""The addresses of the pages that letters point to."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.urls import reverse


def claim_link(request: HttpRequest) -> Callable[[str], str]:
    """From an invitation's token to the page that claims it, at the host that this request came to."""
    return lambda token: request.build_absolute_uri(reverse("accounts:claim", kwargs={"token": token}))
