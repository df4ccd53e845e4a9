"""Django's handlers for requests that fail: pages of the product. Errors of the API: config/http/error_envelope.py."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.accounts.error_pages import error_page
from config.http.error_envelope import is_api, request_id
from config.http.upload_limits import limit_of

NOTHING_HERE = "Check the address. What was here may have been deleted, or it belongs to somebody else."
NOT_YOURS = "Your account does not have the right to do this. Ask an administrator if you need it."
BROKEN = "This is our fault, not yours. Try again in a moment; if it happens again, report the reference below."
UNREADABLE = "Reload the page you came from and try again."
STALE = (
    "The page was open for too long, or you have signed in or out in another tab since. Nothing was saved. Go back,"
    " reload the page, and send it again."
)
TECHNICAL = b"<title>Page not found at"
MATCHES = "matches the given query"
"""In Django's own words for a row that is missing, which name the model."""


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler404`: with what the view said, where a view said something."""
    said = exception.args[0] if exception.args else ""
    message = said if isinstance(said, str) and said and MATCHES not in said else NOTHING_HERE
    return error_page(request, 404, message)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler403`."""
    return error_page(request, 403, str(exception) or NOT_YOURS)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler400`: a request that is too large gets 413 and the limit."""
    if isinstance(exception, RequestDataTooBig):
        return error_page(request, 413, f"The request is larger than {limit_of(exception):,} bytes.")
    return error_page(request, 400, UNREADABLE)


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`: the reference is in the log."""
    return error_page(request, 500, BROKEN, reference=request_id(request))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """`CSRF_FAILURE_VIEW`. What Django says (`reason`) is for developers, and in its log."""
    return error_page(request, 403, STALE, title="This page is out of date")


def instead_of_technical(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """With DEBUG Django describes its URLs where a page is missing. The demo runs with DEBUG, too, so people see the
    page that they would see without it; errors of ours (500) stay with their trace."""
    is_technical = settings.DEBUG and response.status_code == 404 and not is_api(request)
    if not (is_technical and isinstance(response, HttpResponse) and TECHNICAL in response.content[:1000]):
        return response
    return error_page(request, 404, NOTHING_HERE)
