"""The requests and responses of the accounts API."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from ninja import Schema
from pydantic import AfterValidator, Field, StringConstraints

from apps.accounts.models import BudgetPeriod
from apps.accounts.models.invitations import InvitationAction, InvitationState
from apps.accounts.models.roles import Scope, UserRole
from orchestration.api.schemas import RequestSchema
from orchestration.values.moments import Moment


def email_address(value: str) -> str:
    """In lower case; ValueError for anything but an email address."""
    try:
        validate_email(value)
    except ValidationError as error:
        raise ValueError("is not an email address") from error
    return value.lower()


Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254),
    AfterValidator(email_address),
    Field(examples=["trainee@example.com"]),
]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=150, pattern=r"^[^\x00-\x1f\x7f]*$")]
Password = Annotated[str, Field(min_length=1, max_length=4096)]


class SignIn(RequestSchema):
    email: Annotated[str, Field(min_length=3, max_length=254, examples=["trainee@example.com"])]
    password: Password


class UserOut(Schema):
    id: int
    email: str
    role: UserRole
    first_name: str
    last_name: str
    is_staff: bool


class SessionOut(Schema):
    """`csrf_token` goes into the `X-CSRFToken` header of every request that changes something."""

    csrf_token: str
    user: UserOut


class MeOut(Schema):
    csrf_token: str | None
    """None for an API key, which needs none."""
    user: UserOut
    scopes: list[str]


class ApiKeyIn(RequestSchema):
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$", examples=["nightly import"])]
    scopes: Annotated[list[Scope], Field(min_length=1)]
    allowed_models: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]], Field(max_length=100)
    ] = []
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    budget: Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=8)] | None = None
    budget_period: BudgetPeriod = BudgetPeriod.NONE
    expires_at: Moment | None = None


class ApiKeyOut(Schema):
    id: int
    prefix: str
    name: str
    scopes: list[str]
    allowed_models: list[str]
    requests_per_minute: int | None
    tokens_per_minute: int | None
    budget: Decimal | None
    budget_period: BudgetPeriod
    spent: Decimal
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class ApiKeyCreated(ApiKeyOut):
    """A new key with its secret, which is shown this once."""

    secret: str


class InvitationIn(RequestSchema):
    email: Email
    role: UserRole = UserRole.TRAINEE


class InvitationOut(Schema):
    """`sent_at` is null when the email could not be sent; send it again then."""

    id: int
    email: str
    role: UserRole
    state: InvitationState
    invited_by: str | None
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    claimed_at: datetime | None
    revoked_at: datetime | None


class InvitationSent(InvitationOut):
    """`claim_link`: when the email could not be sent, the link to pass on, shown this once; else null."""

    claim_link: str | None


class InvitationPage(Schema):
    """Newest first; `next` is the `after` of the following page, null on the last one."""

    items: list[InvitationOut]
    next: int | None


class InvitationEventOut(Schema):
    """What happened to an invitation; `detail` is a code."""

    action: InvitationAction
    actor: str | None
    detail: str
    created_at: datetime


class Claim(RequestSchema):
    """The token of the email, and the name and password of the new account."""

    token: Annotated[str, Field(min_length=1, max_length=128)]
    password: Password
    first_name: Name = ""
    last_name: Name = ""


class ResetRequest(RequestSchema):
    email: Email


class ResetConfirm(RequestSchema):
    """`uid` and `token` are those of the email."""

    uid: Annotated[str, Field(min_length=1, max_length=64)]
    token: Annotated[str, Field(min_length=1, max_length=128)]
    password: Password
