"""Password reset over REST: request a link by email, and use it."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Status

from apps.accounts.api.permissions import PUBLIC, check_public_request, refusals
from apps.accounts.api.schemas import ResetConfirm, ResetRequest
from apps.accounts.services.password_reset import request_reset, reset_password
from apps.accounts.throttle import RESETS
from orchestration.api.schemas import ErrorOut

router = Router(tags=["accounts"])


@router.post(
    "/auth/password-reset",
    auth=None,
    response={202: None, 401: ErrorOut, 415: ErrorOut, 422: ErrorOut, 429: ErrorOut, 503: ErrorOut},
    summary="Request an email with a link to set a new password",
)
def ask_for_reset(request: HttpRequest, body: ResetRequest) -> Status[None]:
    """The response is the same whether or not there is such an account; 503 while no email can be sent."""
    check_public_request(request)
    RESETS.check(body.email, "emails to one address")
    with refusals():
        request_reset(body.email, request)
    return Status(202, None)


@router.post(
    "/auth/password-reset/confirm",
    auth=None,
    response={204: None, **PUBLIC},
    summary="Set a new password with the emailed link, once",
)
def confirm_reset(request: HttpRequest, body: ResetConfirm) -> Status[None]:
    """Ends every earlier session."""
    check_public_request(request)
    with refusals():
        reset_password(body.uid, body.token, body.password)
    return Status(204, None)
