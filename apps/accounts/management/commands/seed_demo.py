"""Demo users, for development machines only."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.management.base import CommandError
from django.db import transaction

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import UserRole, scopes_of
from apps.accounts.models.users import secret_digest
from orchestration.management.base import PlainCommand

PASSWORD = "demo-orchestrai"  # noqa: S105 - published on purpose, and refused outside DEBUG
KEY_PREFIX = "demotrainee1"
KEY = f"orca_{KEY_PREFIX}_published-with-the-demo-never-in-production"
"""The trainee's API key, as published as the passwords."""
INSTRUCTORS = "Instructors"
RELEASES = ("view_hold", "decide_hold", "view_servicecallrecord", "view_content")
"""What the demo's instructor may do in the console: release feedback."""
PEOPLE: tuple[tuple[str, UserRole, str, str, bool], ...] = (
    ("trainee@example.com", UserRole.TRAINEE, "Tess", "Trainee", False),
    ("instructor@example.com", UserRole.INSTRUCTOR, "Ines", "Instructor", False),
    ("admin@example.com", UserRole.ADMIN, "Ada", "Admin", True),
)


class Command(PlainCommand):
    help = "Create demo users with a published password, and one's API key. Needs DEBUG; safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "The demo users have a published password, so seed_demo runs only with DJANGO_DEBUG=true."
            )
        with transaction.atomic():
            created = sum(self._create(*person) for person in PEOPLE)
            self._create_key(User.objects.get(email=PEOPLE[0][0]))
            self._let_release_feedback(User.objects.get(email=PEOPLE[1][0]))
        self.stdout.write(f"demo users: {created} created, {len(PEOPLE) - created} already there; password {PASSWORD}")

    def _create_key(self, owner: User) -> None:
        """With every scope of the owner; an existing key, revoked or not, is left as it is."""
        fields = {"name": "demo", "hash": secret_digest(KEY), "scopes": sorted(scopes_of(owner))}
        ApiKey.objects.get_or_create(prefix=KEY_PREFIX, defaults={**fields, "owner": owner})

    def _let_release_feedback(self, instructor: User) -> None:
        """The group that scenarios ask, in the console; one that is there already is left as it is."""
        group, created = Group.objects.get_or_create(name=INSTRUCTORS)
        if created:
            group.permissions.set(Permission.objects.filter(codename__in=RELEASES))
            instructor.groups.add(group)
            User.objects.filter(pk=instructor.pk).update(is_staff=True)

    def _create(self, email: str, role: UserRole, first: str, last: str, console: bool) -> bool:
        """Create one person, a superuser if `console`; an existing one is left as it is."""
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
