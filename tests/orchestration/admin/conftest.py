"""People with different permissions, signed in to the admin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from apps.accounts.models import User


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """`staff("view_servicecallrecord", ...)`: a client of someone with these permissions and no others."""

    def sign_in(*codenames: str) -> Client:
        user = User.objects.create_user(f"staff{User.objects.count()}@example.com", "pw", is_staff=True, role="staff")
        user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "pw"))
    return client
