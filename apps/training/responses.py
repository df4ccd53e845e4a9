"""Responses to forms: a bare status for htmx, a redirect for a browser without scripts."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


def done(request: HttpRequest, page: str, *arguments: Any, say: str = "") -> HttpResponse:
    """The form was accepted; `page` is the name of the page that shows the result."""
    if "HX-Request" in request.headers:
        return HttpResponse(status=204)
    if say:
        messages.success(request, say)
    return redirect(page, *arguments)


def refused(request: HttpRequest, reason: str, page: str, *arguments: Any, status: int = 409) -> HttpResponse:
    """The form was refused, with the reason as text."""
    if "HX-Request" in request.headers:
        return HttpResponse(reason, status=status, content_type="text/plain; charset=utf-8")
    messages.error(request, reason)
    return redirect(page, *arguments)


def complaints(form: Form) -> str:
    """The errors of a form on one line."""
    found = []
    for name, errors in form.errors.items():
        label = "" if name == "__all__" else f"{form.fields[name].label or name}: "
        found += [f"{label}{error}" for error in errors]
    return " ".join(found)
