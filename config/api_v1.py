"""The API of the consensus engine at /v1, with the authentication and the errors of /api/v1."""

from __future__ import annotations

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError

from apps.accounts.auth import api_auth
from apps.consensus.api.runs import router as consensus
from apps.consensus.api.single_step import router as single
from config import api as main
from config.http.stored_answers import RepeatableAPI, repeatable
from orchestration.api.errors import ApiError
from orchestration.monitoring.insiders import for_insiders

v1 = RepeatableAPI(
    title="OrchestrAI consensus engine",
    version="1.0.0",
    description="One idea, five reviewers, one decision.",
    urls_namespace="v1",
    auth=api_auth,
    docs_decorator=for_insiders,
    parser=main.StrictParser(),
)
v1.add_decorator(repeatable)
for _router in (consensus, single):
    v1.add_router("", _router)

for _kind, _handler in (
    (ApiError, main.on_api_error),
    (ValidationError, main.on_validation_error),
    (HttpError, main.on_http_error),
    (AuthenticationError, main.on_unauthenticated),
    (Throttled, main.on_throttled),
    (RequestDataTooBig, main.on_too_big),
    (Http404, main.on_missing),
    (OperationalError, main.on_database_error),
    (InterfaceError, main.on_database_error),
    (Exception, main.on_bug),
):
    v1.add_exception_handler(_kind, _handler)
