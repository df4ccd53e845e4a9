"""How a REST request says who it is: an API key, or a session with its CSRF token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest
from ninja.security.apikey import APIKeyCookie
from ninja.security.http import HttpAuthBase
from ninja.utils import check_csrf

from apps.accounts.models import ApiKey, User
from apps.accounts.roles import scopes_of
from apps.accounts.throttle import Window
from orchestration.api_errors import ApiError

if TYPE_CHECKING:
    from apps.accounts.roles import Scope


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request, and within which scopes; `key` is None for a session."""

    user: User
    scopes: frozenset[str]
    key: ApiKey | None = None

    def may_choose(self, model: str) -> bool:
        """Whether a model that the request names is among those of its key; a session may name any."""
        return self.key is None or not self.key.allowed_models or model in self.key.allowed_models

    def __str__(self) -> str:
        """The identity that throttles count by."""
        return f"key:{self.key.pk}" if self.key else f"user:{self.user.pk}"


class AuthedRequest(HttpRequest):
    """A request that passed `api_auth`."""

    auth: Principal
    user: User


class KeyAuth(HttpAuthBase):
    """`Authorization: Bearer orca_…`. A key that does not work ends the request, whatever cookies come with it."""

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
        return Principal(key.owner, key.effective_scopes(), key)


class SessionAuth(APIKeyCookie):
    """The session cookie; a request that changes something must also carry `X-CSRFToken`."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> Principal | None:
        if not isinstance(request.user, User):
            return None
        if check_csrf(request) is not None:
            raise ApiError(
                403, "csrf_failed", "The CSRF token is missing or wrong. Send the one from sign-in as X-CSRFToken."
            )
        return self.authenticate(request, None)

    def authenticate(self, request: HttpRequest, key: str | None) -> Principal | None:
        return Principal(request.user, scopes_of(request.user)) if isinstance(request.user, User) else None


session_auth = SessionAuth()
api_auth: list[Any] = [KeyAuth(), session_auth]
"""For `NinjaAPI(auth=…)`: the key first, because a session without a CSRF token would refuse before it."""


def check_rate(key: ApiKey) -> None:
    """ApiError 429 when the key made its requests of this minute."""
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
