"""Roles decide, in one table."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from apps.accounts.models.roles import REACH, ROLE_SCOPES, Action, Reach, Resource, Scope, UserRole, reach, scopes_of
from tests.apps.people import person

pytestmark = pytest.mark.django_db


def test_every_role_is_decided_for_every_resource_and_action() -> None:
    pairs = {(resource, action) for resource in Resource for action in Action}
    assert set(REACH) == set(ROLE_SCOPES) == set(UserRole)
    assert [role for role, table in REACH.items() if set(table) != pairs] == []


@pytest.mark.parametrize(
    ("role", "view", "change"),
    [
        (UserRole.TRAINEE, Reach.OWN, Reach.OWN),
        (UserRole.INSTRUCTOR, Reach.ANY, Reach.OWN),
        (UserRole.STAFF, Reach.ANY, Reach.OWN),
        (UserRole.ADMIN, Reach.ANY, Reach.ANY),
    ],
)
def test_a_role_reaches_this_far(role, view, change) -> None:
    user = person(role)
    assert reach(user, Action.VIEW, Resource.SIMULATION) is view
    assert reach(user, Action.CHANGE, Resource.SIMULATION) is change


def test_a_trainee_may_neither_submit_raw_calls_nor_read_prompts() -> None:
    assert scopes_of(person()).isdisjoint({Scope.CALLS_WRITE, Scope.CALLS_OPERATE, Scope.CONTENT_READ})


def test_a_permission_gives_its_scope() -> None:
    user = person()
    user.user_permissions.add(Permission.objects.get(codename="view_content"))
    assert Scope.CONTENT_READ in scopes_of(user)


def test_an_inactive_user_may_nothing() -> None:
    user = person(UserRole.ADMIN, is_active=False, is_superuser=True)
    assert scopes_of(user) == frozenset()
    assert reach(user, Action.VIEW, Resource.SIMULATION) is Reach.NONE
