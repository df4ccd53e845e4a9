"""Sign-in and sign-out, the current user, and their API keys."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login, logout
from django.http import HttpRequest
from django.middleware.csrf import get_token
from ninja import Router, Status

from apps.accounts.api.permissions import require_json
from apps.accounts.api.schemas import ApiKeyCreated, ApiKeyIn, ApiKeyOut, MeOut, SessionOut, SignIn
from apps.accounts.auth import AuthedRequest, session_auth
from apps.accounts.models import ApiKey
from apps.accounts.services.sign_in import TooManyAttempts, WrongCredentials, who_signs_in
from orchestration.api.errors import ApiError, found
from orchestration.api.schemas import ErrorOut
from orchestration.clock import database_now

router = Router(tags=["accounts"])

MAX_KEYS = 50


@router.post(
    "/auth/login",
    auth=None,
    response={200: SessionOut, 401: ErrorOut, 415: ErrorOut, 422: ErrorOut, 429: ErrorOut},
    summary="Sign in and start a session",
)
def sign_in(request: HttpRequest, body: SignIn) -> dict[str, Any]:
    """Takes JSON only, so that another site's form cannot sign a visitor in as someone else."""
    require_json(request)
    try:
        user = who_signs_in(request, body.email, body.password)
    except TooManyAttempts as error:
        raise ApiError(429, "too_many_attempts", str(error), {"retry_after": error.wait}) from error
    except WrongCredentials as error:
        raise ApiError(401, "wrong_credentials", WrongCredentials.__doc__ or "") from error
    login(request, user)
    return {"csrf_token": get_token(request), "user": user}


@router.post(
    "/auth/logout",
    auth=session_auth,
    response={204: None, 401: ErrorOut, 403: ErrorOut},
    summary="End the session",
)
def sign_out(request: AuthedRequest) -> Status[None]:
    logout(request)
    return Status(204, None)


@router.get("/auth/me", response={200: MeOut, 401: ErrorOut}, summary="Who am I, and what may I do")
def me(request: AuthedRequest) -> dict[str, Any]:
    principal = request.auth
    return {
        "csrf_token": None if principal.key else get_token(request),
        "user": principal.user,
        "scopes": sorted(principal.scopes),
    }


# Keys are managed from a session only: a leaked key must not be able to create another one.


@router.get(
    "/api-keys",
    auth=session_auth,
    response={200: list[ApiKeyOut], 401: ErrorOut},
    summary="My API keys, newest first",
)
def list_keys(request: AuthedRequest) -> list[ApiKey]:
    return list(ApiKey.objects.filter(owner=request.user))


@router.post(
    "/api-keys",
    auth=session_auth,
    response={201: ApiKeyCreated, 401: ErrorOut, 403: ErrorOut, 409: ErrorOut, 422: ErrorOut},
    summary="Create an API key; its secret is in this answer and nowhere else",
)
def create_key(request: AuthedRequest, body: ApiKeyIn) -> Status[dict[str, Any]]:
    if body.expires_at is not None and body.expires_at <= database_now():
        raise ApiError(422, "invalid_expiry", "expires_at must be in the future.")
    if ApiKey.objects.usable().filter(owner=request.user).count() >= MAX_KEYS:
        raise ApiError(409, "too_many_keys", f"You have {MAX_KEYS} working keys. Revoke one first.")
    try:
        key, secret = ApiKey.issue(request.user, **body.model_dump())
    except ValueError as error:
        raise ApiError(422, "invalid_scopes", str(error)) from error
    return Status(201, {**ApiKeyOut.from_orm(key).model_dump(), "secret": secret})


@router.delete(
    "/api-keys/{int:key_id}",
    auth=session_auth,
    response={204: None, 401: ErrorOut, 403: ErrorOut, 404: ErrorOut},
    summary="Revoke one of my API keys; doing it again changes nothing",
)
def revoke_key(request: AuthedRequest, key_id: int) -> Status[None]:
    found(ApiKey.objects.filter(owner=request.user, pk=key_id).first(), "You have no such key.").revoke()
    return Status(204, None)
