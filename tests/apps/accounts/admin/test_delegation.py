"""Nobody gives more than they have: keys, passwords, roles, groups and permissions that people manage for others."""

from __future__ import annotations

import re
from typing import Any

import pytest
import tablib
from django.contrib.auth.models import Group, Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope, UserRole, may_act_for, scopes_of
from apps.gateway.admin.keys import ApiKeyResource
from tests.apps.people import person

pytestmark = pytest.mark.django_db
SECRET = re.compile(r"orca_[a-z0-9]{12}_[A-Za-z0-9_-]{43}")
NO_POLICY = {"gateway_policy-TOTAL_FORMS": "0", "gateway_policy-INITIAL_FORMS": "0"}
KEYS = ("add_apikey", "change_apikey", "delete_apikey", "view_apikey")
USERS = ("add_user", "change_user", "delete_user", "view_user")
GROUPS = ("add_group", "change_group", "delete_group", "view_group")


def permitted(*codenames: str) -> list[Permission]:
    return list(Permission.objects.filter(codename__in=codenames))


def staff(*codenames: str, role: UserRole = UserRole.STAFF) -> tuple[User, Client]:
    user = person(role, is_staff=True)
    user.user_permissions.set(permitted(*codenames))
    client = Client()
    client.force_login(user)
    return user, client


def above(kind: str) -> User:
    """Somebody who may do what a member of the staff may not."""
    if kind == "superuser":
        return User.objects.create_superuser("root@example.com", "pw")
    if kind == "inactive superuser":
        return User.objects.create_superuser("root@example.com", "pw", is_active=False)
    if kind == "admin":
        return person(UserRole.ADMIN)
    trainee = person(is_active=kind != "inactive operator")
    if kind == "in a group":
        trainee.groups.add(group("operators", "retry_servicecallrecord"))
    else:
        trainee.user_permissions.set(permitted("retry_servicecallrecord"))
    return trainee


ABOVE = ["superuser", "inactive superuser", "admin", "operator", "inactive operator", "in a group"]


def group(name: str, *codenames: str) -> Group:
    made = Group.objects.create(name=name)
    made.permissions.set(permitted(*codenames))
    return made


def key_form(owner: User, *scopes: str) -> dict[str, Any]:
    return {
        **{"owner": owner.pk, "name": "k", "scopes": scopes, "allowed_models": "[]", "budget_period": "none"},
        **NO_POLICY,
    }


def at(page: str, *args: Any) -> str:
    return reverse(f"admin:accounts_{page}", args=args)


def user_form(user: User, **changes: Any) -> dict[str, Any]:
    fields = {"email": user.email, "role": user.role, "first_name": "", "last_name": "", "is_active": "on"}
    return {**fields, **({"is_staff": "on"} if user.is_staff else {}), **changes}


@pytest.mark.parametrize("kind", ABOVE)
def test_nobody_makes_a_key_of_somebody_above(kind: str) -> None:
    maker, client = staff(*KEYS)
    owner = above(kind)
    assert not may_act_for(maker, owner)
    answer = client.post(at("apikey_add"), key_form(owner), follow=True)
    assert not ApiKey.objects.exists()
    assert not SECRET.search(answer.content.decode())
    with pytest.raises(ValueError, match="has rights that you do not have"):
        ApiKey.issue(owner, "k", [], maker=maker)


@pytest.mark.parametrize("kind", ABOVE)
def test_nobody_touches_a_key_of_somebody_above(kind: str) -> None:
    _, client = staff(*KEYS)
    owner = above(kind)
    key = ApiKey(owner=owner, name="theirs", scopes=[])
    key.draw_secret()
    key.save()
    before = ApiKey.objects.values().get()
    for url in (at("apikey_change", key.pk), at("apikey_delete", key.pk)):
        assert client.post(url, {**key_form(owner), "name": "mine", "post": "yes"}).status_code == 403
    for act in ("rotate_secret", "revoke_this", "clear_spent"):
        for method in (client.get, client.post):
            assert method(at(f"apikey_{act}", key.pk)).status_code == 403
    for action in ("revoke", "delete_selected"):
        selected = {"action": action, "_selected_action": [key.pk], "post": "yes"}
        assert not SECRET.search(client.post(at("apikey_changelist"), selected, follow=True).content.decode())
    assert ApiKey.objects.values().get() == before
    page = client.get(at("apikey_change", key.pk)).content.decode()
    assert "New secret" not in page
    assert "rotate_secret" not in page


def test_a_file_changes_no_key_of_somebody_above() -> None:
    maker, _ = staff(*KEYS)
    made = [ApiKey.issue(owner, "before", ["calls:read"])[0] for owner in (person(), above("superuser"))]
    rows = tablib.Dataset(*((key.prefix, "after") for key in made), headers=("prefix", "name"))
    refused = ApiKeyResource().import_data(rows, user=maker).invalid_rows
    assert [row.number for row in refused] == [2]
    assert "its owner has more permissions" in str(refused[0].error)
    assert ApiKey.objects.get(pk=made[1].pk).name == "before"
    assert not ApiKeyResource().import_data(rows.subset(rows=[0]), user=maker).has_errors()


def test_a_key_carries_what_its_owner_and_its_maker_may() -> None:
    maker, client = staff(*KEYS, role=UserRole.INSTRUCTOR)
    trainee = person()
    given = sorted(scopes_of(trainee) & scopes_of(maker))
    answer = client.post(at("apikey_add"), key_form(trainee, *given), follow=True)
    assert SECRET.search(answer.content.decode())
    key = ApiKey.objects.get()
    assert key.scopes == given
    rotated = client.post(at("apikey_rotate_secret", key.pk), follow=True)
    assert SECRET.search(rotated.content.decode())
    for scope in (Scope.CALLS_OPERATE, Scope.GATEWAY_CALL, Scope.CALLS_WRITE):
        answer = client.post(at("apikey_add"), key_form(maker, scope))
        assert "does not have the scope" in answer.content.decode()
    assert ApiKey.objects.count() == 1


def test_a_trainee_with_the_right_makes_keys_of_their_own() -> None:
    maker, client = staff(*KEYS, role=UserRole.TRAINEE)
    client.post(at("apikey_add"), key_form(person(), "calls:read"))
    assert not ApiKey.objects.exists()
    client.post(at("apikey_add"), key_form(maker, "calls:read"))
    assert ApiKey.objects.get().owner == maker


def test_a_key_loses_what_its_owner_loses() -> None:
    owner = person()
    owner.user_permissions.set(permitted("call_models", "add_servicecallrecord"))
    _, secret = ApiKey.issue(User.objects.get(pk=owner.pk), "k", [Scope.GATEWAY_CALL, Scope.CALLS_WRITE])
    owner.user_permissions.set(permitted("call_models"))
    verified = ApiKey.objects.verify(secret)
    assert verified is not None
    assert verified.effective_scopes() == {Scope.GATEWAY_CALL}
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert ApiKey.objects.verify(secret) is None


@pytest.mark.parametrize("kind", ABOVE)
def test_nobody_changes_an_account_above_their_own(kind: str) -> None:
    _, client = staff(*USERS)
    other = above(kind)
    before = User.objects.filter(pk=other.pk).values().get()
    new = {"password1": "Quite-long-7", "password2": "Quite-long-7", "usable_password": "true"}
    assert client.get(at("user_change", other.pk)).status_code == 200
    for url, sent in (
        (at("user_change", other.pk), user_form(other, email="mine@example.com")),
        (at("user_delete", other.pk), {"post": "yes"}),
        (reverse("admin:auth_user_password_change", args=(other.pk,)), new),
    ):
        assert client.post(url, sent).status_code == 403, url
    client.post(at("user_changelist"), {"action": "delete_selected", "_selected_action": [other.pk], "post": "yes"})
    assert User.objects.filter(pk=other.pk).values().get() == before


def test_nobody_gives_a_role_or_a_right_that_they_lack() -> None:
    maker, client = staff(*USERS)
    trainee, strong = person(), group("strong", "retry_servicecallrecord")
    weak, (lacked,) = group("weak", "view_user"), permitted("view_content")
    for who in (trainee, maker):
        forbidden: list[dict[str, Any]] = [
            {"role": "admin"},
            {"groups": [strong.pk]},
            {"groups": [weak.pk, strong.pk]},
            {"user_permissions": [lacked.pk]},
        ]
        for change in forbidden:
            answer = client.post(at("user_change", who.pk), user_form(who, **change))
            assert answer.status_code == 200, change
            assert answer.context["adminform"].form.errors, change
        kept = {"user_permissions": [permission.pk for permission in who.user_permissions.all()]}
        client.post(at("user_change", who.pk), user_form(who, is_superuser="on", groups=[weak.pk], **kept))
        who.refresh_from_db()
        assert (who.is_superuser, who.has_perm("orchestration.view_content")) == (False, False)
        assert list(who.groups.all()) == [weak]
    client.post(at("user_change", trainee.pk), user_form(trainee, role="instructor"))
    trainee.refresh_from_db()
    assert trainee.role == UserRole.INSTRUCTOR


@pytest.mark.parametrize(("role", "given"), [("staff", True), ("instructor", True), ("trainee", False)])
def test_a_new_account_gets_no_role_above_ones_own(role: str, given: bool) -> None:
    _, client = staff(*USERS, role=UserRole(role))
    sent = {"email": "new@example.com", "password1": "Quite-long-7", "password2": "Quite-long-7"}
    for wanted in ("admin", "staff"):
        client.post(at("user_add"), {**sent, "role": wanted})
        assert not User.objects.filter(email="new@example.com").exists()
    client.post(at("user_add"), {**sent, "role": "trainee"})
    assert User.objects.filter(email="new@example.com").exists() is given


def test_a_group_gets_no_permission_that_its_editor_lacks() -> None:
    maker, client = staff(*GROUPS)
    mine, (lacked,) = group("mine", "view_group"), permitted("view_content")
    maker.groups.add(mine)
    strong = group("strong", "retry_servicecallrecord")
    change, theirs = (reverse("admin:auth_group_change", args=(row.pk,)) for row in (mine, strong))
    client.post(change, {"name": "mine", "permissions": [lacked.pk]})
    client.post(reverse("admin:auth_group_add"), {"name": "new", "permissions": [lacked.pk]})
    assert client.post(theirs, {"name": "strong"}).status_code == 403
    assert client.post(reverse("admin:auth_group_delete", args=(strong.pk,)), {"post": "yes"}).status_code == 403
    assert not User.objects.get(pk=maker.pk).has_perm("orchestration.view_content")
    assert not Group.objects.filter(name="new").exists()
    assert strong.permissions.count() == 1
    client.post(change, {"name": "renamed", "permissions": []})
    assert Group.objects.get(pk=mine.pk).name == "renamed"


def test_a_superuser_and_the_person_themselves_may_all() -> None:
    root, ann = User.objects.create_superuser("root@example.com", "pw"), above("operator")
    assert may_act_for(root, ann)
    assert may_act_for(ann, ann)
    assert not may_act_for(ann, root)
    assert not may_act_for(User.objects.create_superuser("gone@example.com", "pw", is_active=False), ann)
    client = Client()
    client.force_login(root)
    answer = client.post(at("apikey_add"), key_form(ann, "calls:operate"))
    assert [SECRET.search(str(message)) is not None for message in get_messages(answer.wsgi_request)][:1] == [True]
    client.post(at("user_change", ann.pk), user_form(ann, is_superuser="on", role="admin"))
    ann.refresh_from_db()
    assert ann.is_superuser
    assert ann.role == UserRole.ADMIN
