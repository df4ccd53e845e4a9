"""What the accounts API takes and gives."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from ninja import Schema
from pydantic import ConfigDict, Field

from apps.accounts.models import BudgetPeriod
from apps.accounts.roles import Scope, UserRole


class SignIn(Schema):
    model_config = ConfigDict(extra="forbid")

    email: Annotated[str, Field(min_length=3, max_length=254, examples=["trainee@example.com"])]
    password: Annotated[str, Field(min_length=1, max_length=4096)]


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


class MeOut(SessionOut):
    csrf_token: str | None
    """None for an API key, which needs none."""
    scopes: list[str]


class ApiKeyIn(Schema):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$", examples=["nightly import"])]
    scopes: Annotated[list[Scope], Field(min_length=1)]
    allowed_models: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]], Field(max_length=100)
    ] = []
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    budget: Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=8)] | None = None
    budget_period: BudgetPeriod = BudgetPeriod.NONE
    expires_at: datetime | None = None


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
