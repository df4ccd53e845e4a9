"""People and keys in the admin, and the demo people."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import UserRole
from tests.apps.people import PASSWORD, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def console() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", PASSWORD))
    return client


def test_a_user_is_added_and_changed(console: Client) -> None:
    added = console.post(
        reverse("admin:accounts_user_add"),
        {"email": "New@Example.com", "role": "trainee", "password1": "Quite-long-7", "password2": "Quite-long-7"},
    )
    assert added.status_code == 302, added.context["adminform"].form.errors
    user = User.objects.get(email="new@example.com")
    assert user.check_password("Quite-long-7")
    assert console.get(reverse("admin:accounts_user_change", args=[user.pk])).status_code == 200
    assert console.get(reverse("admin:accounts_user_changelist"), {"q": "new"}).status_code == 200


def test_a_key_shows_its_secret_once_and_its_hash_never(console: Client) -> None:
    owner = person()
    added = console.post(
        reverse("admin:accounts_apikey_add"),
        {
            "owner": owner.pk,
            "name": "robot",
            "scopes": ["calls:read"],
            "allowed_models": "[]",
            "budget_period": "none",
            "gateway_policy-TOTAL_FORMS": "0",
            "gateway_policy-INITIAL_FORMS": "0",
        },
        follow=True,
    )
    key = ApiKey.objects.get()
    shown = [str(message) for message in added.context["messages"] if "secret" in str(message)]
    assert len(shown) == 1
    assert ApiKey.objects.verify(shown[0].rpartition(" ")[2]) == key

    page = console.get(reverse("admin:accounts_apikey_change", args=[key.pk])).content.decode()
    assert key.prefix in page
    assert key.hash not in page


def test_a_key_in_the_console_gets_no_scope_that_its_owner_lacks(console: Client) -> None:
    body = {"owner": person().pk, "name": "robot", "scopes": ["calls:write"], "budget_period": "none"}
    no_policy = {"gateway_policy-TOTAL_FORMS": "0", "gateway_policy-INITIAL_FORMS": "0"}
    answer = console.post(reverse("admin:accounts_apikey_add"), body | {"allowed_models": "[]", **no_policy})
    assert answer.status_code == 200
    assert not ApiKey.objects.exists()


def test_the_form_of_a_key_begins_with_its_maker_as_owner(console: Client) -> None:
    page = console.get(reverse("admin:accounts_apikey_add"))
    assert page.context["adminform"].form.initial["owner"] == User.objects.get().pk


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("owner", "", "This field is required"),
        *(
            ("allowed_models", value, "list of names of models")
            for value in ('"gpt-4o"', "{}", "[1]", '[""]', '[" a"]')
        ),
    ],
)
def test_a_key_that_cannot_be_is_refused_with_why(console: Client, field: str, value: str, told: str) -> None:
    body = {"owner": person().pk, "name": "robot", "scopes": ["calls:read"], "budget_period": "none"}
    no_policy = {"gateway_policy-TOTAL_FORMS": "0", "gateway_policy-INITIAL_FORMS": "0"}
    body |= {"allowed_models": "[]", **no_policy, field: value}
    answer = console.post(reverse("admin:accounts_apikey_add"), body)
    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_keys_are_revoked_by_action(console: Client) -> None:
    key, secret = ApiKey.issue(person(), "robot", ["calls:read"])
    console.post(reverse("admin:accounts_apikey_changelist"), {"action": "revoke", "_selected_action": [key.pk]})
    assert ApiKey.objects.verify(secret) is None


def test_one_email_has_one_user_in_any_case() -> None:
    user = person()
    with pytest.raises(IntegrityError):
        User(email=user.email.upper()).save()


def test_the_demo_people_are_made_once(settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.DEBUG = True
    call_command("seed_demo")
    call_command("seed_demo")

    roles = dict(User.objects.values_list("email", "role"))
    assert roles == {
        "trainee@example.com": UserRole.TRAINEE,
        "instructor@example.com": UserRole.INSTRUCTOR,
        "admin@example.com": UserRole.ADMIN,
    }
    assert User.objects.get(email="admin@example.com").check_password("demo-orchestrai")
    assert "0 created, 3 already there" in capsys.readouterr().out


def test_the_demo_people_are_refused_in_production(settings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG"):
        call_command("seed_demo")
    assert not User.objects.exists()
