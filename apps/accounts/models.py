"""People: a user who signs in by email and has a role."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.db import models


class UserRole(models.TextChoices):
    TRAINEE = "trainee"
    INSTRUCTOR = "instructor"
    STAFF = "staff"
    ADMIN = "admin"


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


class User(AbstractUser):
    """Signs in by email."""

    username = None  # type: ignore[assignment]  # removed: the email is the name
    email = models.EmailField("email address", unique=True)
    role = models.CharField(max_length=16, choices=UserRole, default=UserRole.TRAINEE)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()  # type: ignore[assignment,misc]  # narrower than AbstractUser's on purpose

    class Meta:
        db_table = "user"
        ordering = ("email",)

    def __str__(self) -> str:
        return self.email
