"""The page that shows the design: `/design/`, where DEBUG is on."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.shell.forms import SpecimenForm
from apps.shell.templatetags.design import TONES
from orchestration.clock import database_now

SURFACES = ("ground", "side", "sunken", "hover", "line", "line-strong", "soft", "text", "ink", "accent", "accent-soft")
GREYS = ("50", "100", "200", "300", "400", "500", "600", "700", "800", "900", "950")


@require_GET
def design(request: HttpRequest) -> HttpResponse:
    """Every component in every state, in the theme that is chosen."""
    if not settings.DEBUG:
        raise Http404("This page is only available while DEBUG is on.")
    context = {
        "form": SpecimenForm(),
        "refused": SpecimenForm({}, prefix="refused"),
        "tones": TONES,
        "surfaces": SURFACES,
        "greys": GREYS,
        "now": database_now(),
        "people": ("Maria Alvarez", "Walter Brandt", "Ida Lindqvist", "Theo Trainee", "Nora Night", "Root"),
    }
    return render(request, "site/design.html", context)
