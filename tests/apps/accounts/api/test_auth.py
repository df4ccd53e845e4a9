"""API keys: issued once, verified without telling why not, revoked for good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope, UserRole
from tests.apps.people import Caller, person, signed_in, with_key

pytestmark = pytest.mark.django_db


def test_a_secret_finds_its_key_and_is_stored_nowhere() -> None:
    key, secret = ApiKey.issue(person(), "import", [Scope.CALLS_READ])

    assert ApiKey.objects.verify(secret) == key
    assert secret.startswith(f"orca_{key.prefix}_")
    stored = ApiKey.objects.filter(pk=key.pk).values().get()
    assert [name for name, value in stored.items() if secret.split("_", 2)[2] in str(value)] == []


@pytest.mark.parametrize("spoil", [lambda s: s[:-1], lambda s: s[:-1] + ("A" if s[-1] != "A" else "B"), lambda s: ""])
def test_a_spoiled_secret_finds_nothing(spoil) -> None:
    _, secret = ApiKey.issue(person(), "import", [Scope.CALLS_READ])
    assert ApiKey.objects.verify(spoil(secret)) is None


def test_revoked_expired_unknown_and_orphaned_keys_get_one_401() -> None:
    owner = person()
    refused = [Caller(Authorization="Bearer orca_aaaaaaaaaaaa_" + "x" * 43), Caller(Authorization="Bearer nonsense")]
    for change in ({"revoked_at": timezone.now()}, {"expires_at": timezone.now() - timedelta(seconds=1)}):
        refused.append(with_key(owner, Scope.CALLS_READ))
        ApiKey.objects.filter(pk=ApiKey.objects.latest("pk").pk).update(**change)
    gone = person()
    refused.append(with_key(gone, Scope.CALLS_READ))
    User.objects.filter(pk=gone.pk).update(is_active=False)

    answers = [caller.get("/auth/me") for caller in refused]

    assert {answer.status_code for answer in answers} == {401}
    assert len({(answer.json()["code"], answer.json()["message"]) for answer in answers}) == 1


def test_a_key_acts_as_its_owner_within_its_scopes() -> None:
    owner = person()
    body = with_key(owner, Scope.CALLS_READ).get("/auth/me").json()
    assert body["user"]["email"] == owner.email
    assert body["scopes"] == ["calls:read"]
    assert body["csrf_token"] is None


def test_a_key_needs_no_csrf_token_even_beside_a_session() -> None:
    """A session does not rescue a bad key."""
    caller = signed_in(person())
    caller.headers["Authorization"] = "Bearer nonsense"
    assert caller.get("/auth/me").status_code == 401
    assert with_key(person(), Scope.SIMULATIONS_WRITE).post("/simulations", {}).status_code == 422


def test_nobody_gives_a_key_what_they_do_not_have() -> None:
    with pytest.raises(ValueError, match="calls:write"):
        ApiKey.issue(person(), "too much", [Scope.CALLS_WRITE])
    with pytest.raises(ValueError, match="Unknown scopes: everything"):
        ApiKey.issue(person(), "no such", ["everything"])


def test_a_demoted_owner_demotes_the_keys() -> None:
    owner = person(UserRole.STAFF)
    caller = with_key(owner, Scope.CALLS_WRITE, Scope.CALLS_READ)
    User.objects.filter(pk=owner.pk).update(role=UserRole.TRAINEE)
    assert caller.get("/auth/me").json()["scopes"] == ["calls:read"]


def test_use_is_noted_once_a_minute() -> None:
    caller = with_key(person(), Scope.CALLS_READ)
    caller.get("/auth/me")
    first = ApiKey.objects.get().last_used_at
    caller.get("/auth/me")
    assert first is not None
    assert ApiKey.objects.get().last_used_at == first


def test_a_key_makes_no_more_requests_a_minute_than_it_may() -> None:
    caller = with_key(person(), Scope.CALLS_READ, requests_per_minute=2)
    statuses = [caller.get("/auth/me").status_code for _ in range(5)]  # at most two windows of a minute
    assert statuses.count(200) in {2, 3, 4}
    assert 429 in statuses


def test_keys_are_created_listed_and_revoked_over_rest() -> None:
    caller = signed_in(person())

    created = caller.post("/api-keys", {"name": "nightly", "scopes": ["calls:read"], "budget": "12.50"})
    assert created.status_code == 201, created.content
    secret, key_id = created.json()["secret"], created.json()["id"]
    bearer = Caller(Authorization=f"Bearer {secret}")
    assert bearer.get("/auth/me").status_code == 200

    listed = caller.get("/api-keys").json()
    assert [key["id"] for key in listed] == [key_id]
    assert "secret" not in listed[0]
    assert "hash" not in listed[0]

    assert caller.delete(f"/api-keys/{key_id}").status_code == 204
    assert caller.delete(f"/api-keys/{key_id}").status_code == 204
    assert bearer.get("/auth/me").status_code == 401
    assert caller.get("/api-keys").json()[0]["revoked_at"] is not None


def test_another_persons_key_is_not_found() -> None:
    key, _ = ApiKey.issue(person(), "theirs", [Scope.CALLS_READ])
    assert signed_in(person()).delete(f"/api-keys/{key.pk}").status_code == 404
    key.refresh_from_db()
    assert key.revoked_at is None


def test_a_key_cannot_make_keys() -> None:
    caller = with_key(person(), Scope.CALLS_READ)
    assert caller.post("/api-keys", {"name": "more", "scopes": ["calls:read"]}).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ["calls:read"]},
        {"name": "no scope", "scopes": []},
        {"name": "unknown scope", "scopes": ["everything"]},
        {"name": "not mine", "scopes": ["calls:write"]},
        {"name": "past", "scopes": ["calls:read"], "expires_at": "2001-01-01T00:00:00Z"},
        {"name": "no zone", "scopes": ["calls:read"], "expires_at": "2101-01-01T00:00:00"},
        {"name": "nul \x00", "scopes": ["calls:read"]},
        {"name": "extra", "scopes": ["calls:read"], "hash": "x"},
        {"name": "negative", "scopes": ["calls:read"], "requests_per_minute": 0},
    ],
)
def test_a_bad_key_request_is_refused(body) -> None:
    answer = signed_in(person()).post("/api-keys", body)
    assert answer.status_code == 422, answer.content
    assert not ApiKey.objects.exists()
