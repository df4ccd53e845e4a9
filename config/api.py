"""The one NinjaAPI: who may come in, which routers it has, and how every error looks."""

from __future__ import annotations

import logging
import math
import traceback
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError
from ninja.parser import Parser

from apps.accounts.api import router as accounts
from apps.accounts.auth import api_auth
from apps.chatlab.api import router as chatlab
from apps.simulation.api import router as simulation
from apps.trainerlab.api import router as trainerlab
from config.envelope import envelope, request_id
from config.repeats import RepeatableAPI, repeatable
from orchestration.api import router as orchestration
from orchestration.api_batch import router as batch
from orchestration.api_errors import ApiError
from orchestration.log import describe
from persistence.api import router as persistence

logger = logging.getLogger(__name__)

DESCRIPTION = """
Durable LLM service calls: submit, wait, inspect, retry, cancel; and the domain objects that came of them.

Sign in with an API key (`Authorization: Bearer ...`), or with a session and its CSRF token (`X-CSRFToken`).
Every error has the same shape: `{code, message, details, request_id}`. Send `X-Request-ID` to choose the id yourself.
"""


class StrictParser(Parser):
    """JSON as the RFC has it: no NaN, no lone surrogates; and never more of it than the limit."""

    def parse_body(self, request: HttpRequest) -> Any:
        if len(request.body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:  # a chunked body announces no length
            raise RequestDataTooBig
        return orjson.loads(request.body)


api = RepeatableAPI(
    title="OrchestrAI",
    version="1.0.0",
    description=DESCRIPTION,
    urls_namespace="api",
    auth=api_auth,
    parser=StrictParser(),
)
api.add_decorator(repeatable)
for _router in (accounts, batch, orchestration, persistence, simulation, chatlab, trainerlab):
    api.add_router("", _router)


@api.exception_handler(ApiError)
def on_api_error(request: HttpRequest, error: ApiError) -> HttpResponse:
    return envelope(request, error.status, error.code, error.message, error.details)


@api.exception_handler(ValidationError)
def on_validation_error(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Where and why, never what was sent: a body may hold a password or a prompt."""
    details = [
        {"path": ".".join(map(str, item["loc"])), "message": item["msg"], "type": item["type"]} for item in error.errors
    ]
    return envelope(request, 422, "invalid_request", "The request is not valid; see details.", details)


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, RequestDataTooBig):
        return on_too_big(request, error.__cause__)
    if error.status_code == 400:
        return envelope(request, 400, "malformed_json", "The body is not valid JSON.")
    return envelope(request, error.status_code, message=error.message)


@api.exception_handler(AuthenticationError)
def on_unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return envelope(request, error.status_code)


@api.exception_handler(Throttled)
def on_throttled(request: HttpRequest, error: Throttled) -> HttpResponse:
    details = None if error.wait is None else {"retry_after": math.ceil(error.wait)}
    return envelope(request, 429, details=details)


@api.exception_handler(MultiPartParserError)
def on_malformed_form(request: HttpRequest, error: MultiPartParserError) -> HttpResponse:
    return envelope(request, 400, "malformed_form", "The body is not a valid multipart/form-data form.")


@api.exception_handler(RequestDataTooBig)
def on_too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return envelope(request, 413, message=f"The body is larger than {limit:,} bytes.", details={"limit_bytes": limit})


@api.exception_handler(Http404)
def on_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return envelope(request, 404)


@api.exception_handler(Exception)
def on_bug(request: HttpRequest, error: Exception) -> HttpResponse:
    """Logged by type and place: an exception's message may hold what the request held."""
    frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error(
        "request failed request_id=%s method=%s route=%s error=%s frames=%s",
        request_id(request),
        request.method,
        request.resolver_match.route if request.resolver_match else "",
        describe(error),
        " > ".join(frames),
    )
    return envelope(request, 500)
