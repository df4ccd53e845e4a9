"""The home page redirects: staff to the console, everybody else to the training pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


def home(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return redirect("accounts:sign_in")
    return redirect("admin:index" if request.user.is_staff else "training:home")
