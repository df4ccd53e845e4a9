"""Pages that say why a request failed, and where to go from there."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import render_to_string

from orchestration.log import describe

logger = logging.getLogger(__name__)

NOT_RENDERED = (ValueError, OSError, TemplateDoesNotExist, TemplateSyntaxError)
"""Static files that were not collected, or a template that was changed."""

TITLES = {
    400: "This request cannot be read",
    403: "You may not open this page",
    404: "There is no such page",
    413: "This is too large",
    429: "Too many requests",
    500: "Something went wrong",
}


def error_page(
    request: HttpRequest, status: int, message: str, *, title: str = "", reference: str = ""
) -> HttpResponse:
    """A failure as a page, for htmx as text that its form shows. Needs neither a database nor a session.

    `reference` is what somebody can quote who reports it.
    """
    if "HX-Request" in request.headers:
        return _as_text(message, status)
    context = {
        "status": status,
        "title": title or TITLES.get(status, TITLES[500]),
        "message": message,
        "reference": reference,
        "back": came_from(request),
    }
    try:
        return HttpResponse(render_to_string("site/error.html", context), status=status)
    except NOT_RENDERED as error:  # what says that something failed must not fail itself
        logger.error("error page not rendered status=%s error=%s", status, describe(error))
        return _as_text("\n".join(filter(None, (str(context["title"]) + ".", message, reference))), status)


def _as_text(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")


def came_from(request: HttpRequest) -> str:
    """The path of the page of this site that a request came from; empty when that is unknown or the same."""
    there = urlsplit(request.headers.get("Referer", ""))
    if there.netloc != request.META.get("HTTP_HOST") or there.path == request.path or "\\" in there.path:
        return ""
    return there.path if there.path.startswith("/") and not there.path.startswith("//") else ""
