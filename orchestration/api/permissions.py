"""Scopes, permissions and refusals that the routers about calls share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial, wraps
from inspect import iscoroutinefunction
from typing import Any, Protocol, TypeVar, cast, runtime_checkable
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest
from django.urls import URLResolver, get_resolver, get_script_prefix, get_urlconf, reverse
from django.utils.http import RFC3986_SUBDELIMS
from django.utils.translation import get_language

from orchestration.access_log import log_content_access
from orchestration.api.errors import ApiError, found, refused_as
from orchestration.content.uploads import foreign_content
from orchestration.errors import (
    IdempotencyConflict,
    IdentityError,
    InvalidCall,
    PayloadTooLarge,
    ServiceNotFound,
    TransitionRefused,
)
from orchestration.models import ServiceCallRecord
from orchestration.values.generic_refs import key_of

READ = "calls:read"
WRITE = "calls:write"
OPERATE = "calls:operate"
CONTENT = "content:read"
DECIDE = "approvals:decide"


@runtime_checkable
class Principal(Protocol):
    """Whoever passed the API's authentication."""

    @property
    def user(self) -> AbstractUser: ...

    @property
    def scopes(self) -> frozenset[str]: ...

    def may_choose(self, model: str) -> bool:
        """Whether the caller may have this model asked."""
        ...

    def charge(self, counts: str, cost: int) -> None:
        """Count what a request costs; ApiError 429 when that is more than its caller may spend now."""
        ...


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The principal of an API with Django's own authentication: a user, whose permissions give the scopes."""

    user: AbstractUser

    @property
    def scopes(self) -> frozenset[str]:
        """All, but content only for those who may read it, or see their own calls alone."""
        sees_others = self.user.has_perm("orchestration.view_servicecallrecord")
        content = {CONTENT} if not sees_others or self.user.has_perm("orchestration.view_content") else set()
        return frozenset({READ, WRITE, OPERATE, DECIDE} | content)

    def may_choose(self, model: str) -> bool:
        return True

    def charge(self, counts: str, cost: int) -> None:
        """Nothing: such an API has throttles of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What an operation asks of whoever calls it, before it reads the request."""

    scopes: tuple[str, ...] = ()
    permission: str = ""
    """A Django permission; none when empty."""
    counts: str = "writes"
    """The throttle that a request which changes something is counted by."""
    cost: int = 1
    row: Callable[..., object] | None = None
    """Finds what the address names, for the caller, or raises ApiError; takes the request and those keys of the address
    that it has parameters for."""


CALL_LINKS = {
    "self": "get_service_call",
    "attempts": "list_call_attempts",
    "objects": "list_call_objects",
    "timeline": "get_call_timeline",
}
"""The operations about one call that its links name."""
STAND_IN = "00000000-0000-7000-8000-000000000000"
"""For the key of any call."""
NEEDS = "_needs"
View = TypeVar("View", bound=Callable[..., Any])


def needs(
    *scopes: str,
    permission: str = "",
    counts: str = "writes",
    cost: int = 1,
    row: Callable[..., object] | None = None,
) -> Callable[[View], View]:
    """Declare what an operation needs: the API checks it first of all, and its description says so. An operation that
    reads more than keys of its address names its `row`, so that who may not learns that and nothing of their request.

    An operation that changes something and declares nothing is counted as one write.
    """

    def declare(view: View) -> View:
        declared = Needs(scopes=tuple(map(str, scopes)), permission=permission, counts=counts, cost=cost, row=row)
        setattr(view, NEEDS, declared)
        return view

    return declare


def principal_of(request: HttpRequest) -> Principal | None:
    """Who asks, by the API's authentication; None where it has none, or one that gives something else."""
    principal = getattr(request, "auth", None)
    return principal if isinstance(principal, Principal) else None


def for_any_api(view: View) -> View:
    """For `Router.add_decorator`: in an API whose authentication gives no Principal, the signed-in user is one, and is
    checked for what the operation needs. ApiError 401 without one."""

    def admit(request: Any) -> None:
        if principal_of(request) is not None:
            return  # its authentication has checked
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            raise ApiError(401, "unauthenticated", "Sign in first: this API has no authentication for these paths.")
        request.auth = principal = SignedIn(user)
        declared: Needs = vars(view).get(NEEDS) or Needs()
        for scope in declared.scopes:
            require_scope(principal, scope)
        if declared.permission:
            require_permission(principal, declared.permission)

    if iscoroutinefunction(view):

        @wraps(view)
        async def asynchronous(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            await sync_to_async(admit)(request)
            return await view(request, *args, **kwargs)

        return cast("View", asynchronous)

    @wraps(view)
    def synchronous(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        admit(request)
        return view(request, *args, **kwargs)

    return cast("View", synchronous)


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


def require_model(principal: Principal, model: str | None) -> None:
    """ApiError 403 for a model that a request names and its key may not use; None names none."""
    if model and not principal.may_choose(model):
        raise ApiError(403, "model_not_allowed", f"This API key may not use the model {model!r}.", {"model": model})


def require_own_content(principal: Principal, *values: Any, call: ServiceCallRecord | None = None) -> None:
    """ApiError 422 for JSON that refers to an image, audio or file that is neither the caller's upload nor `call`'s."""
    foreign = foreign_content(principal.user, *values, call=call)
    if foreign:
        raise ApiError(422, "unknown_content", f"You have uploaded no content {foreign[:12]}…; POST it to /content.")


def may_read_content(principal: Principal) -> bool:
    return CONTENT in principal.scopes


def shows_content(request: ApiRequest, call: ServiceCallRecord, *, prompts: bool = False) -> bool:
    """Whether prompts, answers and payloads of a call are shown; when they are, its access log says who read them.

    Reading what one sent and got oneself is not logged; reading the `prompts`, which a service wrote, is.
    """
    if not may_read_content(request.auth):
        return False
    if prompts or call.requested_by_id != request.auth.user.pk:
        log_content_access(request.auth.user, call, " over the API")
    return True


def visible_call(principal: Principal, call_id: str) -> ServiceCallRecord:
    """A call that the caller may see; ApiError 403 without the scope calls:read, 404 for what is not theirs."""
    require_scope(principal, READ)
    return find_call(principal, call_id)


def find_call(principal: Principal, call_id: str) -> ServiceCallRecord:
    """A call of the caller's, whatever the scope; ApiError 404 otherwise."""
    rows = ServiceCallRecord.objects.visible_to(principal.user).select_related("related_content_type")
    key = key_of(ServiceCallRecord, call_id)
    return found(None if key is None else rows.filter(pk=key).first(), "There is no such service call.")


def operable_call(principal: Principal, call_id: str, permission: str) -> ServiceCallRecord:
    """A call that the caller may retry or cancel: the scope calls:operate, and their own call or the permission."""
    require_scope(principal, OPERATE)
    record = find_call(principal, call_id)
    if record.requested_by_id != principal.user.pk:
        require_permission(principal, permission)
    return record


def operated_call(request: ApiRequest, call_id: str) -> ServiceCallRecord:
    """A call of the caller's that they may do something with; what exactly, the permissions of each say."""
    require_scope(request.auth, OPERATE)
    return find_call(request.auth, call_id)


refusals = partial(
    refused_as,
    {
        TransitionRefused: 409,
        PayloadTooLarge: 413,
        InvalidCall: 422,
        IdempotencyConflict: 422,
        ServiceNotFound: 422,
        IdentityError: 422,
    },
)
"""What submitting and transitions refuse, as the API says it."""


def link(request: HttpRequest, name: str, **kwargs: Any) -> str:
    """The path of an operation of the API that this request came in by."""
    return reverse(_address(request, name), kwargs=kwargs)


def call_links(request: HttpRequest, call_id: str) -> dict[str, str]:
    """Where a call, its attempts, its objects and its timeline are."""
    names = tuple(_address(request, name) for name in CALL_LINKS.values())
    patterns = _call_paths(get_resolver(get_urlconf()), get_script_prefix(), get_language(), names)
    written = quote(call_id, safe=RFC3986_SUBDELIMS + "/~:@")  # as `reverse` writes it
    return {key: path.replace(STAND_IN, written) for key, path in zip(CALL_LINKS, patterns, strict=True)}


def _address(request: HttpRequest, name: str) -> str:
    match = request.resolver_match
    return f"{match.namespace}:{name}" if match and match.namespace else name


@lru_cache(maxsize=256)
def _call_paths(resolver: URLResolver, prefix: str, language: str | None, names: tuple[str, ...]) -> tuple[str, ...]:
    """With STAND_IN for the call: pages and batches hold thousands of links, and each takes Django a tenth of what
    storing the call does. The parameters beside `names` are all else that paths depend on."""
    return tuple(reverse(name, kwargs={"call_id": STAND_IN}) for name in names)
