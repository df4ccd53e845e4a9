"""The home page redirects to the pages of a person's work: the console, or the training platform."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from apps.accounts.models.roles import UserRole


def home(request: HttpRequest) -> HttpResponse:
    """Staff see the console first; but instructors who may open it, to release feedback, still work at their board."""
    if not request.user.is_authenticated:
        return redirect("accounts:sign_in")
    operates = request.user.is_staff and request.user.role != UserRole.INSTRUCTOR
    return redirect("admin:index" if operates else "training:home")
