"""`Idempotency-Key` on every POST: the same request with the same key gets the stored answer; nothing happens twice.

Operations that create a call or a consensus run are left out: there the row itself keeps the key
(`orchestration.api.idempotency`), so that a repeat works for longer than a day and shows the row as it is by then.

The answer is encrypted with a key made from the caller's own idempotency key, of which only a digest is stored: so a
secret that was in an answer cannot be read from the database. Only the answers of requests that succeeded are stored;
a refused request may be corrected and sent again with its key. The key of a request whose process died is free again
after five minutes.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import wraps
from typing import Any, get_args, get_type_hints

from cryptography.fernet import Fernet
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.router import BoundRouter
from pydantic.fields import FieldInfo

from apps.accounts.api.scopes import guard
from apps.accounts.auth import Principal
from config.http.deprecation import announce_deprecation
from orchestration.api.errors import ApiError
from orchestration.api.idempotency import HEADER, MAX_LENGTH, REPLAYED
from orchestration.api.permissions import principal_of
from orchestration.models.idempotency import ApiAnswer

SCHEMA_OF_HEADER = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "description": "The same request with the same key gets the stored answer, marked `Idempotent-Replayed: true`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH},
}
_RESERVED = "_reserved_answer"


class RepeatableAPI(NinjaAPI):
    """A NinjaAPI with idempotent POSTs and guarded operations, both documented in its schema."""

    def _get_bound_routers(self) -> list[BoundRouter]:
        """The operations as this API serves them, with their authentication: where they can be guarded."""
        are_new = self._bound_routers_cache is None
        routers = super()._get_bound_routers()
        for router in routers if are_new else ():
            for path in router.path_operations.values():
                for operation in path.operations:
                    guard(operation)
                    announce_deprecation(operation)
        return routers

    def create_response(self, request: HttpRequest, data: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().create_response(request, data, *args, **kwargs)
        _keep(request, response.status_code, response.content)
        return response

    def get_openapi_schema(self, *args: Any, **kwargs: Any) -> Any:
        document = super().get_openapi_schema(*args, **kwargs)
        for operation in _posts(document):
            if not any(parameter["name"] == HEADER for parameter in operation.get("parameters", [])):
                operation.setdefault("parameters", []).append(SCHEMA_OF_HEADER)
                for status in (409, 422):
                    operation["responses"].setdefault(status, operation["responses"].get(401))
        for responses in _answers_to_callers(document):
            for status in (429, 503):
                responses.setdefault(status, responses[401])
        for responses in _answers_to_bodies(document):
            for status in (400, 413):
                responses.setdefault(status, responses[401])
        return document


def _posts(document: Any) -> Iterator[Any]:
    """The operations that take the header: POSTs that need authentication."""
    for methods in document["paths"].values():
        operation = methods.get("post")
        if operation is not None and operation.get("security") and 401 in operation["responses"]:
            yield operation


def _answers_to_callers(document: Any) -> Iterator[Any]:
    """The responses of operations that need authentication, and so the database, which may be away."""
    for methods in document["paths"].values():
        yield from (operation["responses"] for operation in methods.values() if 401 in operation["responses"])


def _answers_to_bodies(document: Any) -> Iterator[Any]:
    """The responses of operations with a body, which may be malformed or too large."""
    for methods in document["paths"].values():
        for operation in methods.values():
            if "requestBody" in operation and 401 in operation["responses"]:
                yield operation["responses"]


def repeatable(operation: Callable[..., Any]) -> Callable[..., Any]:
    """For `NinjaAPI.add_decorator`: reserve the key, run the operation, or return the stored answer if it ran before.

    Operations that take the header as a parameter handle it themselves, and so do asynchronous ones.
    """
    if inspect.iscoroutinefunction(operation) or _takes_the_header(operation):
        return operation

    @wraps(operation)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        principal, given = principal_of(request), request.headers.get(HEADER)
        if request.method != "POST" or given is None or not isinstance(principal, Principal):
            return operation(request, *args, **kwargs)
        answered = _reserve(request, principal, given)
        if answered is not None:
            return answered
        with ExitStack() as on_error:
            on_error.callback(_free, request)
            result = operation(request, *args, **kwargs)
            on_error.pop_all()
        return result

    return run


def _takes_the_header(operation: Callable[..., Any]) -> bool:
    hints = get_type_hints(operation, include_extras=True)
    return any(
        isinstance(extra, FieldInfo) and extra.alias == HEADER for hint in hints.values() for extra in _extras(hint)
    )


def _extras(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from _extras(part)


def _reserve(request: HttpRequest, principal: Principal, given: str) -> HttpResponse | None:
    """None when this request is the first with its key, else the stored answer; ApiError 409 or 422."""
    if not 1 <= len(given) <= MAX_LENGTH:
        raise ApiError(422, "invalid_idempotency_key", f"{HEADER} has 1 to {MAX_LENGTH} characters.")
    ApiAnswer.objects.outlived().delete()
    digest = hashlib.sha256(f"{principal}:{given}".encode()).hexdigest()
    print_of = _fingerprint(request)
    try:
        with transaction.atomic():
            row = ApiAnswer.objects.create(user=principal.user, key_digest=digest, fingerprint=print_of)
    except IntegrityError:
        return _stored(ApiAnswer.objects.filter(user=principal.user, key_digest=digest).first(), print_of, given)
    setattr(request, _RESERVED, (row, given))
    return None


def _stored(row: ApiAnswer | None, print_of: str, given: str) -> HttpResponse:
    if row is not None and row.fingerprint != print_of:
        raise ApiError(422, "idempotency_conflict", f"This {HEADER} was used before with another request.")
    if row is None or row.status is None or row.body is None:
        raise ApiError(409, "in_flight", "The first request with this key is still being answered.", {"retry_after": 1})
    body = _cipher(row, given).decrypt(bytes(row.body))
    answer = HttpResponse(body, status=row.status, content_type="application/json; charset=utf-8")
    answer[REPLAYED] = "true"
    return answer


def _keep(request: HttpRequest, status: int, content: bytes) -> None:
    """Store the answer of the request that holds the key; an error frees the key."""
    reserved = vars(request).get(_RESERVED)
    if reserved is None:
        return
    if status >= 400:
        _free(request)
        return
    row, given = reserved
    row.status, row.body = status, _cipher(row, given).encrypt(content)
    row.save(update_fields=["status", "body"])
    delattr(request, _RESERVED)


def _free(request: HttpRequest) -> None:
    reserved = vars(request).pop(_RESERVED, None)
    if reserved is not None:
        reserved[0].delete()


def _fingerprint(request: HttpRequest) -> str:
    if request.content_type == "multipart/form-data":
        # Its files may be larger than what is kept in memory, so they are read as they arrive: length and type must do.
        body = f"{request.META.get('CONTENT_LENGTH')} {request.content_type}".encode()
    else:
        body = request.body
    return hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode() + body).hexdigest()


def _cipher(row: ApiAnswer, given: str) -> Fernet:
    secret = hashlib.sha256(f"{settings.SECRET_KEY}\n{row.key_digest}\n{given}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(secret))
