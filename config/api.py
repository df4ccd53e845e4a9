"""The API at /api/v1: its authentication, its routers, and the format of every error."""

from __future__ import annotations

import logging
import math
import traceback
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError
from ninja.parser import Parser

from apps.accounts.api import router as accounts
from apps.accounts.auth import api_auth
from apps.chatlab.api import router as chatlab
from apps.simulation.api import router as simulation
from apps.trainerlab.api import router as trainerlab
from config.http.error_envelope import envelope, request_id
from config.http.stored_answers import RepeatableAPI, repeatable
from config.http.upload_limits import limit_of
from orchestration.api.errors import ApiError
from orchestration.api.prefer_wait import RETRY_AFTER_SECONDS
from orchestration.engine.queue.database_thread import is_away
from orchestration.log import describe
from orchestration.monitoring.insiders import for_insiders
from orchestration.values.json_bodies import NotReadable, read_json
from persistence.api import all_routers

logger = logging.getLogger(__name__)

DESCRIPTION = """
Durable LLM service calls: submit, wait, inspect, retry, cancel; and the domain objects that they created.

Sign in with an API key (`Authorization: Bearer ...`), or with a session and its CSRF token (`X-CSRFToken`).
Every error has the same format: `{code, message, details, request_id}`. Send `X-Request-ID` to choose the id yourself.
"""


class StrictParser(Parser):
    """JSON as `read_json` accepts it, up to the size limit."""

    def parse_body(self, request: HttpRequest) -> Any:
        if len(request.body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:  # a chunked body announces no length
            raise RequestDataTooBig
        return read_json(request.body, exact_integers=True)


api = RepeatableAPI(
    title="OrchestrAI",
    version="1.0.0",
    description=DESCRIPTION,
    urls_namespace="api",
    auth=api_auth,
    docs_decorator=for_insiders,
    parser=StrictParser(),
)
api.add_decorator(repeatable)
for _router in (accounts, *all_routers(), simulation, chatlab, trainerlab):
    api.add_router("", _router)


@api.exception_handler(ApiError)
def on_api_error(request: HttpRequest, error: ApiError) -> HttpResponse:
    return envelope(request, error.status, error.code, error.message, error.details)


@api.exception_handler(ValidationError)
def on_validation_error(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Says where and why, but never quotes the body, which may contain a password or a prompt."""
    details = [
        {"path": ".".join(map(str, item["loc"])), "message": item["msg"], "type": item["type"]} for item in error.errors
    ]
    return envelope(request, 422, "invalid_request", "The request is not valid; see details.", details)


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, RequestDataTooBig):
        return on_too_big(request, error.__cause__)
    if isinstance(error.__cause__, NotReadable):
        return envelope(request, 400, "malformed_json", f"The body is not valid JSON: {error.__cause__}.")
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
    limit = limit_of(error)
    return envelope(request, 413, message=f"The body is larger than {limit:,} bytes.", details={"limit_bytes": limit})


@api.exception_handler(Http404)
def on_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return envelope(request, 404)


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def on_database_error(request: HttpRequest, error: OperationalError | InterfaceError) -> HttpResponse:
    """503 when the database cannot be reached; a statement that can never succeed is a bug."""
    if not is_away(error):
        return on_bug(request, error)
    logger.warning("database away request_id=%s error=%s", request_id(request), describe(error))
    return envelope(request, 503, "database_away", details={"retry_after": RETRY_AFTER_SECONDS})


@api.exception_handler(Exception)
def on_bug(request: HttpRequest, error: Exception) -> HttpResponse:
    """Logs type and place only: an exception's message may contain data of the request."""
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
