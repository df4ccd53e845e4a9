"""Who asks, what they may do, and how a refusal is worded: shared by every router about calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest
from django.urls import reverse

from orchestration.api_errors import ApiError
from orchestration.errors import (
    IdempotencyConflict,
    IdentityError,
    InvalidCall,
    PayloadTooLarge,
    ServiceNotFound,
    TransitionRefused,
)
from orchestration.looks import note_look
from orchestration.models import ServiceCallRecord

READ = "calls:read"
WRITE = "calls:write"
OPERATE = "calls:operate"
CONTENT = "content:read"

CALL_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


class Principal(Protocol):
    """Whoever passed the API's authentication."""

    @property
    def user(self) -> AbstractUser: ...

    @property
    def scopes(self) -> frozenset[str]: ...


class ApiRequest(HttpRequest):
    """A request that passed the API's authentication."""

    auth: Principal


def require_scope(principal: Principal, scope: str) -> None:
    """ApiError 403 without the scope."""
    if scope not in principal.scopes:
        raise ApiError(403, "missing_scope", f"This needs the scope {scope}.", {"scope": scope})


def require_permission(principal: Principal, permission: str) -> None:
    """ApiError 403 without the Django permission."""
    if not principal.user.has_perm(permission):
        raise ApiError(
            403, "missing_permission", f"This needs the permission {permission}.", {"permission": permission}
        )


def may_read_content(principal: Principal) -> bool:
    return CONTENT in principal.scopes


def shows_content(request: ApiRequest, call: ServiceCallRecord, *, prompts: bool = False) -> bool:
    """Whether prompts, answers and payloads of a call are shown; when they are, its history says who looked.

    That somebody reads what they sent and got themselves is no look; their `prompts`, which a service wrote, are.
    """
    if not may_read_content(request.auth):
        return False
    if prompts or call.requested_by_id != request.auth.user.pk:
        note_look(request.auth.user, call, " over the API")
    return True


def visible_call(principal: Principal, call_id: str) -> ServiceCallRecord:
    """A call that the caller may see; ApiError 403 without the scope calls:read, 404 for what is not theirs."""
    require_scope(principal, READ)
    return find_call(principal, call_id)


def find_call(principal: Principal, call_id: str) -> ServiceCallRecord:
    """A call of the caller's, whatever the scope; ApiError 404 otherwise."""
    rows = ServiceCallRecord.objects.visible_to(principal.user).select_related("related_content_type")
    record = rows.filter(pk=call_id).first() if CALL_ID.match(call_id) else None
    if record is None:
        raise ApiError(404, "not_found", "There is no such service call.")
    return record


def operable_call(principal: Principal, call_id: str, permission: str) -> ServiceCallRecord:
    """A call that the caller may retry or cancel: the scope calls:operate, and their own call or the permission."""
    require_scope(principal, OPERATE)
    record = find_call(principal, call_id)
    if record.requested_by_id != principal.user.pk:
        require_permission(principal, permission)
    return record


@contextmanager
def refusals() -> Iterator[None]:
    """What submitting and transitions refuse, as the API says it."""
    try:
        yield
    except TransitionRefused as error:
        raise ApiError(409, error.code, str(error)) from error
    except PayloadTooLarge as error:
        raise ApiError(413, error.code, str(error)) from error
    except (InvalidCall, IdempotencyConflict, ServiceNotFound, IdentityError) as error:
        raise ApiError(422, error.code, str(error)) from error


def link(request: HttpRequest, name: str, **kwargs: Any) -> str:
    """The path of an operation of the API that this request came in by."""
    match = request.resolver_match
    return reverse(f"{match.namespace}:{name}" if match and match.namespace else name, kwargs=kwargs)


def call_links(request: HttpRequest, call_id: str) -> dict[str, str]:
    """Where a call, its attempts, its objects and its timeline are."""
    return {
        "self": link(request, "get_service_call", call_id=call_id),
        "attempts": link(request, "list_call_attempts", call_id=call_id),
        "objects": link(request, "list_call_objects", call_id=call_id),
        "timeline": link(request, "get_call_timeline", call_id=call_id),
    }
