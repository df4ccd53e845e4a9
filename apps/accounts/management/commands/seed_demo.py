"""Demo people for a machine that nobody else reaches."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from apps.accounts.models import User
from apps.accounts.roles import UserRole

PASSWORD = "demo-orchestrai"  # noqa: S105 - published on purpose, and refused outside DEBUG
PEOPLE: tuple[tuple[str, UserRole, str, str, bool], ...] = (
    ("trainee@example.com", UserRole.TRAINEE, "Tess", "Trainee", False),
    ("instructor@example.com", UserRole.INSTRUCTOR, "Ines", "Instructor", False),
    ("admin@example.com", UserRole.ADMIN, "Ada", "Admin", True),
)


class Command(BaseCommand):
    help = "Create the demo users (trainee, instructor, admin) with a published password. Needs DEBUG; safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo users have a published password; seed_demo runs only with DJANGO_DEBUG=true.")
        with transaction.atomic():
            created = [email for email, *person in PEOPLE if self._create(email, *person)]
        self.stdout.write(f"demo users: {len(created)} created, {len(PEOPLE) - len(created)} were there; {PASSWORD}")

    def _create(self, email: str, role: UserRole, first: str, last: str, console: bool) -> bool:
        """Create one person, all rights for whom may use the console; an existing one is left as it is."""
        if User.objects.filter(email=email).exists():
            return False
        User.objects.create_user(
            email,
            PASSWORD,
            role=role,
            first_name=first,
            last_name=last,
            is_staff=console,
            is_superuser=console,
        )
        return True
