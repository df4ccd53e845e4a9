"""Authentication of the REST API: an API key, or a session with its CSRF token."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db.models import Model
from django.http import HttpRequest
from ninja.security.apikey import APIKeyCookie
from ninja.security.http import HttpAuthBase
from ninja.utils import check_csrf

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import scopes_of
from apps.accounts.throttle import Window, charge
from orchestration.api.errors import ApiError
from orchestration.api.permissions import OPERATE, Needs, require_permission, require_scope

if TYPE_CHECKING:
    from apps.accounts.models.roles import Scope

KEY = "key:"
READING = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request, and within which scopes; `key` is None for a session."""

    user: User
    scopes: frozenset[str]
    key: ApiKey | None = None

    def may_choose(self, model: str) -> bool:
        """Whether the key allows the model that the request names; a session allows any."""
        return self.key is None or not self.key.allowed_models or model in self.key.allowed_models

    @property
    def credential(self) -> str:
        """The key, as what is done later remembers it: see `why_not_usable`."""
        return f"{KEY}{self.key.pk}" if self.key else ""

    def charge(self, counts: str, cost: int) -> None:
        """Count the request for its user, whichever key it came with; ApiError 429 over the rate limit."""
        charge(self.user.pk, counts, cost)

    def __str__(self) -> str:
        """The identity that throttles count by."""
        return f"key:{self.key.pk}" if self.key else f"user:{self.user.pk}"


def check_changeable(row: Model, user: User) -> None:
    """ApiError 403 when this person may read the row, of a model whose manager is an `OwnedQuerySet`, but no more."""
    if not type(row)._default_manager.changeable_by(user).filter(pk=row.pk).exists():  # type: ignore[attr-defined]
        name = row._meta.verbose_name
        raise ApiError(403, "read_only", f"You may read this {name}, but only its owner may change it.")


class AuthedRequest(HttpRequest):
    """A request that passed `api_auth`."""

    auth: Principal
    user: User


class Guarded:
    """An authentication that also checks what one operation needs, before anything of the body is read."""

    needed = Needs()

    def guarding(self, needed: Needs) -> Self:
        """A copy for an operation with these needs."""
        guarded = copy(self)
        guarded.needed = needed
        return guarded

    def authorize(self, request: HttpRequest, principal: Principal) -> Principal:
        """The principal; ApiError 403 without the scope or permission, 429 over the rate limit."""
        for scope in self.needed.scopes:
            require_scope(principal, scope)
        if self.needed.permission:
            require_permission(principal, self.needed.permission)
        if request.method not in READING:
            principal.charge(self.needed.counts, self.needed.cost)
        if self.needed.row is not None:
            request.auth = principal  # type: ignore[attr-defined]  # as it is for the operation itself
            found_by(self.needed.row, request)
        return principal


def found_by(find: Callable[..., object], request: HttpRequest) -> None:
    """Look up what the address names; ApiError when the caller cannot see or change it."""
    keys = request.resolver_match.kwargs if request.resolver_match else {}
    find(request, **{name: keys[name] for name in signature(find).parameters if name in keys})


class KeyAuth(Guarded, HttpAuthBase):
    """`Authorization: Bearer orca_…`. A key that is not valid ends the request, whatever cookies come with it."""

    openapi_scheme = "bearer"

    def __call__(self, request: HttpRequest) -> Principal | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = ApiKey.objects.verify(secret.strip())
        if key is None:
            raise ApiError(401, "invalid_api_key", "This API key is not valid. Check it, or create a new one.")
        check_rate(key)
        key.touch()
        request.user = key.owner
        return self.authorize(request, Principal(key.owner, key.effective_scopes(), key))


class SessionAuth(Guarded, APIKeyCookie):
    """The session cookie; a request that changes something must also carry `X-CSRFToken`."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> Principal | None:
        if not isinstance(request.user, User):
            return None
        if not _has_token(request):
            raise ApiError(
                403, "csrf_failed", "The CSRF token is missing or wrong. Send the one from sign-in as X-CSRFToken."
            )
        return self.authorize(request, Principal(request.user, scopes_of(request.user)))

    def authenticate(self, request: HttpRequest, key: str | None) -> Principal | None:
        return Principal(request.user, scopes_of(request.user)) if isinstance(request.user, User) else None


def _has_token(request: HttpRequest) -> bool:
    """Whether `X-CSRFToken` is right, without reading the body: an operation may raise the limit for it, or refuse it.

    In a POST Django looks for the token in the form first, and for that it reads the form with all its files."""
    method = request.method
    if method == "POST":
        request.method = "PUT"
    try:
        return check_csrf(request) is None
    finally:
        request.method = method


session_auth = SessionAuth()
api_auth: list[Any] = [KeyAuth(), session_auth]
"""For `NinjaAPI(auth=…)`: the key first, because a session without a CSRF token would refuse before it."""


def why_not_usable(credential: str, scopes: tuple[str, ...] = (OPERATE,)) -> str:
    """Why what was asked for with a key must not continue: it is gone, or lost a scope. Empty for what is not a key."""
    if not credential.startswith(KEY):
        return ""
    key = ApiKey.objects.usable().select_related("owner").filter(pk=credential.removeprefix(KEY)).first()
    if key is None:
        return "the API key with which it was asked for was revoked, or has expired"
    lost = [scope for scope in scopes if scope not in key.effective_scopes()]
    return f"the API key with which it was asked for lost the scope {lost[0]}" if lost else ""


def check_rate(key: ApiKey) -> None:
    """ApiError 429 when the key has made all its requests of this minute."""
    if key.requests_per_minute is None:
        return
    wait = Window(name="key", limit=key.requests_per_minute, seconds=60).hit(key.prefix)
    if wait:
        raise ApiError(
            429,
            "rate_limited",
            f"This key may make {key.requests_per_minute} requests a minute. Try again in {wait} seconds.",
            {"retry_after": wait},
        )


def require(request: AuthedRequest, scope: Scope) -> Principal:
    """The request's principal; ApiError 403 when it lacks the scope."""
    principal = request.auth
    if scope not in principal.scopes:
        raise ApiError(403, "missing_scope", f"This needs the scope {scope}.", {"scope": str(scope)})
    return principal
