"""What is read by a query that was built once."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.models import ApiKey, User
from apps.accounts.models.users import UNREVOKED_KEY

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def key_of(email: str, **fields) -> ApiKey:
    owner = User.objects.create_user(email=email, password="pw")
    return ApiKey.issue(owner, "test", [], **fields)[0]


def test_it_reads_rows_as_the_orm_does(django_assert_num_queries):
    key_of("other@example.org")
    key = key_of("own@example.org", budget="1.5", allowed_models=["a", "ü"], expires_at=timezone.now())
    usual = ApiKey.objects.select_related("owner").get(pk=key.pk)
    for _ in range(3):  # built, planned, kept
        with django_assert_num_queries(1):
            found = UNREVOKED_KEY.first(key.prefix)
            assert found is not None
            shown = [{name: value for name, value in vars(row).items() if name != "_state"} for row in (found, usual)]
            owners = [
                {name: vars(row.owner)[name] for name in vars(usual.owner) if name[0] != "_"} for row in (found, usual)
            ]
        assert shown[0] == shown[1]
        assert owners[0] == owners[1]
        assert not found._state.adding
        assert found._state.db == connection.alias


def test_it_sees_each_change_at_once():
    key = key_of("own@example.org")
    assert UNREVOKED_KEY.first(key.prefix) == key
    User.objects.filter(pk=key.owner_id).update(is_active=False)
    assert UNREVOKED_KEY.first(key.prefix) is None
    User.objects.filter(pk=key.owner_id).update(is_active=True)
    key.revoke()
    assert UNREVOKED_KEY.first(key.prefix) is None
    assert UNREVOKED_KEY.first("unknown") is None


def test_a_key_is_usable_until_it_expires():
    owner = User.objects.create_user(email="own@example.org", password="pw")
    limits = [timezone.now() + timedelta(days=1), timezone.now() - timedelta(seconds=1), None]
    keys = [ApiKey.issue(owner, "test", [], expires_at=limit) for limit in limits]
    assert [ApiKey.objects.verify(secret) for _, secret in keys] == [keys[0][0], None, keys[2][0]]
