"""People who sign in by email and have a role, and the API keys they own."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from apps.accounts.models.roles import Scope, UserRole, may_act_for, scopes_of
from orchestration.clock import database_now
from orchestration.models.compiled_query import CompiledQuery
from orchestration.values.moments import MomentField
from orchestration.values.stored_json import StoredJSONField


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user; ValueError without an email."""
        if not email:
            raise ValueError("A user needs an email address.")
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(
            email, password, **{"is_staff": True, "is_superuser": True, "role": UserRole.ADMIN, **fields}
        )

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())


class User(AbstractUser):
    """Signs in by email."""

    username = None  # type: ignore[assignment]  # removed: the email is the name
    email = models.EmailField("email address", unique=True)
    role = models.CharField(max_length=16, choices=UserRole, default=UserRole.TRAINEE)
    last_login = MomentField("last login", blank=True, null=True)
    date_joined = MomentField("date joined", default=database_now)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()  # type: ignore[assignment,misc]  # narrower than AbstractUser's on purpose

    class Meta:
        db_table = "user"
        ordering = ("email",)
        constraints = (
            models.UniqueConstraint(Lower("email"), name="user_email_once_in_any_case"),
            models.CheckConstraint(condition=Q(role__in=UserRole.values), name="user_role_known"),
        )

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.email.lower()


SECRET_FORM = re.compile(r"orca_([a-z0-9]{12})_[A-Za-z0-9_-]{43}")
PREFIX_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
USED_RESOLUTION = timedelta(minutes=1)
"""`last_used_at` is written at most this often, so that a busy key costs no write per request."""


def secret_digest(secret: str) -> str:
    """SHA-256 in hex. A slow hash adds nothing here: the secret has 256 random bits and cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


NO_KEY_DIGEST = secret_digest("")


class BudgetPeriod(models.TextChoices):
    """How often `spent` starts again at zero."""

    NONE = "none"
    DAY = "day"
    MONTH = "month"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def unrevoked(self) -> Self:
        """Not revoked, and their owners active."""
        return self.filter(revoked_at__isnull=True, owner__is_active=True)

    def usable(self, now: datetime | None = None) -> Self:
        """Neither revoked nor expired, and their owners active."""
        return self.unrevoked().filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now or database_now()))

    def verify(self, secret: str) -> ApiKey | None:
        """The usable key of a secret, its owner loaded, else None; unknown, wrong, revoked and expired look alike."""
        match = SECRET_FORM.fullmatch(secret)
        key = UNREVOKED_KEY.first(match[1] if match else "")
        same = hmac.compare_digest(key.hash if key else NO_KEY_DIGEST, secret_digest(secret))
        return key if key and same and not key.is_expired else None


UNREVOKED_KEY: CompiledQuery[ApiKey] = CompiledQuery(
    lambda prefix: ApiKey.objects.unrevoked().select_related("owner").filter(prefix=prefix).order_by()
)
"""By prefix. Every request with a key asks for it."""


class ApiKey(models.Model):
    """A secret for the REST API that acts as its owner, within its scopes. Only the secret's hash is stored."""

    prefix = models.CharField(max_length=16, unique=True, editable=False)
    hash = models.CharField(max_length=64, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    scopes = StoredJSONField(default=list)
    allowed_models = StoredJSONField(default=list, blank=True, help_text="Empty: every model.")
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: not limited.")
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: not limited.")
    budget = models.DecimalField(
        max_digits=14, decimal_places=8, null=True, blank=True, help_text="In the currency of the prices."
    )
    budget_period = models.CharField(max_length=8, choices=BudgetPeriod, default=BudgetPeriod.NONE)
    spent = models.DecimalField(max_digits=14, decimal_places=8, default=Decimal(0), editable=False)
    created_at = MomentField(default=database_now, editable=False)
    expires_at = MomentField(null=True, blank=True)
    revoked_at = MomentField(null=True, blank=True, editable=False)
    last_used_at = MomentField(null=True, blank=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        db_table = "api_key"
        ordering = ("-created_at", "-id")
        verbose_name = "API key"
        constraints = (
            models.CheckConstraint(condition=Q(spent__gte=0), name="api_key_spent_not_negative"),
            models.CheckConstraint(
                condition=Q(budget__isnull=True) | Q(budget__gte=0), name="api_key_budget_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    def clean(self) -> None:
        check_model_names(self.allowed_models, "allowed_models")

    @classmethod
    def issue(
        cls, owner: User, name: str, scopes: Collection[str], *, maker: User | None = None, **limits: Any
    ) -> tuple[ApiKey, str]:
        """Store a new key and return it with its secret, which is never readable again.

        `maker`: who will hold the secret; None for the owner. `limits` are further fields: allowed_models,
        requests_per_minute, tokens_per_minute, budget, budget_period, expires_at. Raises ValueError for an unknown
        scope, for one that the owner or the maker lacks, and for an owner for whom the maker may not act.
        """
        key = cls(owner=owner, name=name, scopes=checked_scopes(owner, scopes, maker), **limits)
        secret = key.draw_secret()
        key.save(force_insert=True)
        return key, secret

    def draw_secret(self) -> str:
        """Give an unsaved key its prefix and hash; returns the secret they belong to."""
        self.prefix = "".join(secrets.choice(PREFIX_ALPHABET) for _ in range(12))
        secret = f"orca_{self.prefix}_{secrets.token_urlsafe(32)}"
        self.hash = secret_digest(secret)
        return secret

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= database_now()

    def effective_scopes(self) -> frozenset[str]:
        """The key's scopes that its owner still has: a demoted owner's keys are demoted with them."""
        return frozenset(self.scopes) & scopes_of(self.owner)

    def revoke(self, now: datetime | None = None) -> bool:
        """Revoke the key for good; False when it was already revoked."""
        moment = now or database_now()
        if ApiKey.objects.filter(pk=self.pk, revoked_at__isnull=True).update(revoked_at=moment) != 1:
            return False
        self.revoked_at = moment
        return True

    def rotate(self) -> str | None:
        """Give the key a new secret and end the old one; None when it was revoked. Limits and history stay."""
        before = self.prefix
        secret = self.draw_secret()
        changed = ApiKey.objects.filter(pk=self.pk, prefix=before, revoked_at__isnull=True).update(
            prefix=self.prefix, hash=self.hash
        )
        return secret if changed else None

    def touch(self, now: datetime | None = None) -> None:
        """Note that the key was used, at most once a minute."""
        moment = now or database_now()
        if self.last_used_at is not None and moment - self.last_used_at < USED_RESOLUTION:
            return
        ApiKey.objects.filter(pk=self.pk).update(last_used_at=moment)
        self.last_used_at = moment


def checked_scopes(owner: User, scopes: Collection[str], maker: User | None = None) -> list[str]:
    """Scopes sorted and once each; ValueError names those that do not exist, or that owner or maker do not have."""
    unknown = sorted(set(scopes) - set(Scope))
    if unknown:
        raise ValueError(f"Unknown scopes: {', '.join(unknown)}. Known scopes: {', '.join(Scope)}.")
    foreign = sorted(set(scopes) - scopes_of(owner))
    if foreign:
        raise ValueError(f"{owner.email} does not have the scope {', '.join(foreign)}.")
    if maker is not None and not may_act_for(maker, owner):
        raise ValueError(f"You may not create or change keys of {owner.email}, who has rights that you do not have.")
    beyond = sorted(set(scopes) - scopes_of(maker or owner))
    if beyond:
        raise ValueError(f"You do not have the scope {', '.join(beyond)}.")
    return sorted(set(scopes))


def check_model_names(value: object, field: str) -> None:
    """ValidationError for `field`, unless the value is a list of names of models."""
    if not isinstance(value, list) or not all(_is_model_name(name) for name in value):
        raise ValidationError({field: 'Write a list of names of models: ["gpt-4o", "gpt-4o-mini"].'})


def _is_model_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= 128 and name.isprintable() and name == name.strip()
