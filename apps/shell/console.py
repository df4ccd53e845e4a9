"""What the theme of the console asks for."""

from __future__ import annotations

from django.http import HttpRequest
from django.templatetags.static import static


def stylesheet(request: HttpRequest) -> str:
    """The style sheet that gives the console the shell of the other pages."""
    return static("site/console.css")


def zone(request: HttpRequest) -> str:
    """The script that tells the server the reader's time zone."""
    return static("site/zone.js")
