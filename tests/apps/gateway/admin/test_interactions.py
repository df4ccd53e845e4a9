"""The gateway in the console: keys, figures, and payloads that only some may read, which is noted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps.accounts.models import ApiKey
from apps.accounts.models.roles import UserRole
from apps.gateway.crypto import encrypt
from apps.gateway.models import Interaction, InteractionPayload, KeyMeter, KeyPolicy
from tests.apps.gateway.serving import ask, client, gateway, key, price
from tests.apps.people import person

pytestmark = pytest.mark.django_db(transaction=True)

EMPTY_POLICY = {
    "gateway_policy-TOTAL_FORMS": "1",
    "gateway_policy-INITIAL_FORMS": "0",
    "gateway_policy-0-fallback_models": "[]",
    "gateway_policy-0-cache": "semantic",
    "gateway_policy-0-parallel": "3",
}


def signed_in(*permissions: str, **fields: Any) -> Client:
    user = person(UserRole.STAFF, is_staff=True, **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Client()
    browser.force_login(user)
    return browser


def logged() -> list[str]:
    return [entry.get_change_message() for entry in LogEntry.objects.order_by("id")]


SECRET = re.compile(r"orca_[a-z0-9]{12}_[A-Za-z0-9_-]{43}")


def test_a_key_is_made_rotated_and_revoked_and_shown_once():
    price(per_million="1")
    admin = signed_in(is_superuser=True)
    form = key_form(person(UserRole.STAFF))
    made, secret = add_key(admin, form)
    with gateway() as server:
        client(server, secret).chat.completions.create(**ask())
        new = rotate(admin, made)
        assert new != secret
        refused(server, secret)
        client(server, new).chat.completions.create(**ask())
        change_the_budget_while_it_is_spent(admin, made, form)
        clear_what_is_spent(admin, made)
        admin.post(reverse("admin:accounts_apikey_revoke_this", args=[made.pk]))
        refused(server, new)
    told = " ".join(logged())
    for words in ("Rotated", "Budget from 5 USD to 7 USD.", "Spent from 4 USD to 0.", "Revoked."):
        assert words in told
    assert secret not in told
    assert new not in told


def key_form(owner):
    return {
        "owner": owner.pk,
        "name": "front",
        "scopes": ["gateway:call"],
        "allowed_models": "[]",
        "budget": "5",
        "budget_period": "month",
        **EMPTY_POLICY,
    }


def add_key(admin, form):
    """(key, secret), which no other page shows. A policy with a list that cannot be read is refused."""
    page = admin.post(reverse("admin:accounts_apikey_add"), form, follow=True)
    secret = SECRET.search(page.content.decode())
    assert secret is not None
    made = ApiKey.objects.get(name="front")
    assert KeyPolicy.objects.get(pk=made.pk).parallel == 3
    bad = admin.post(reverse("admin:accounts_apikey_add"), {**form, "gateway_policy-0-fallback_models": '"gpt"'})
    assert "list of names of models" in bad.content.decode()
    again = admin.get(reverse("admin:accounts_apikey_change", args=[made.pk])).content.decode()
    assert secret[0] not in again
    assert made.hash not in again
    assert secret[0] not in admin.get(reverse("admin:accounts_apikey_changelist")).content.decode()
    return made, secret[0]


def rotate(admin, made):
    """The new secret. The question before it changes nothing."""
    address = reverse("admin:accounts_apikey_rotate_secret", args=[made.pk])
    assert "gets a new secret" in admin.get(address).content.decode()
    assert ApiKey.objects.get(pk=made.pk).prefix == made.prefix
    new = SECRET.search(admin.post(address, follow=True).content.decode())
    assert new is not None
    return new[0]


def refused(server, secret):
    with pytest.raises(Exception, match="401"):
        client(server, secret).chat.completions.create(**ask())


def change_the_budget_while_it_is_spent(admin, made, form):
    """What is spent while somebody has the form open is not overwritten."""
    ApiKey.objects.filter(pk=made.pk).update(spent=4)
    policy = {"gateway_policy-INITIAL_FORMS": "1", "gateway_policy-0-api_key": made.pk}
    admin.post(reverse("admin:accounts_apikey_change", args=[made.pk]), {**form, **policy, "budget": "7"})
    made.refresh_from_db()
    assert (made.budget, made.spent) == (7, 4)


def clear_what_is_spent(admin, made):
    admin.post(reverse("admin:accounts_apikey_clear_spent", args=[made.pk]))
    made.refresh_from_db()
    assert made.spent == 0
    assert KeyMeter.objects.get(pk=made.pk).in_flight == 0


def test_figures_and_payloads(provider, django_assert_max_num_queries):
    """The list is light and tells no words; reading them needs a permission and leaves a log entry."""
    price()
    _, secret = key()
    with gateway(provider.base_url) as server:
        for number in range(3):
            client(server, secret).chat.completions.create(**ask(f"plantedword{number}"))
    row = Interaction.objects.first()
    page = reverse("admin:gateway_interaction_change", args=[row.pk])
    listed = reverse("admin:gateway_interaction_changelist")
    usage = reverse("admin:gateway_interaction_usage")
    cache.clear()
    reader = signed_in("view_interaction", "read_payload")
    looker = signed_in("view_interaction")
    with django_assert_max_num_queries(11):
        shown = reader.get(listed).content.decode()
    assert "plantedword" not in shown
    assert row.model in shown
    with django_assert_max_num_queries(11):
        shown = reader.get(usage).content.decode()
    assert "Requests per day" in shown
    assert "plantedword" not in shown
    with django_assert_max_num_queries(8):  # the figures are not summed up again for every page
        assert reader.get(usage).status_code == 200
    assert signed_in("view_servicecallrecord").get(usage).status_code == 403
    hidden = looker.get(page).content.decode()
    assert "plantedword" not in hidden
    assert "have the permission" in hidden
    assert logged() == []
    read = reader.get(page).content.decode()
    assert "plantedword2" in read
    assert "Answered, as JSON" in read
    assert "Answered, as JSON" not in hidden
    assert logged() == ["Read the prompt and the answer."]
    assert signed_in().get(listed).status_code == 403


def test_files_of_keys_carry_no_secret_and_make_no_key():
    made, secret = key(budget=3)
    admin = signed_in(is_superuser=True)
    exported = admin.post(
        reverse("admin:accounts_apikey_export"),
        {"format": "0", "resource": "", **{f"apikeyresource_{name}": "on" for name in ("prefix", "name", "budget")}},
    ).content.decode()
    assert made.prefix in exported
    assert made.hash not in exported
    assert secret not in exported
    ApiKey.objects.filter(pk=made.pk).update(spent=2)

    def upload(text: str) -> str:
        file = SimpleUploadedFile("keys.csv", text.encode(), "text/csv")
        url = reverse("admin:accounts_apikey_import")
        page = admin.post(url, {"format": "0", "resource": "", "import_file": file})
        name = re.search(r'name="import_file_name" value="([^"]+)"', page.content.decode())
        if name is None:
            return page.content.decode()
        confirmed = {"import_file_name": name[1], "original_file_name": "keys.csv", "format": "0", "resource": ""}
        return admin.post(reverse("admin:accounts_apikey_process_import"), confirmed, follow=True).content.decode()

    upload(f"prefix,name,budget\n{made.prefix},renamed,9\n")
    made.refresh_from_db()
    assert (made.name, made.budget, made.spent) == ("renamed", 9, 2)
    assert "not imported" in upload("prefix,name,budget\nabcdefabcdef,new,9\n")
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"a": [1]}', "{\n  &quot;a&quot;: [\n    1\n  ]\n}"),
        (b"no JSON\xff", "no JSON\ufffd"),
        (b'["' + b"x" * 300_000 + b'"]', "(the first 200000 of 300004 characters)"),
        (None, "was encrypted with a key that is not among"),
    ],
    ids=("json", "text", "long", "unreadable"),
)
def test_bodies_are_shown_as_json_as_text_or_cut(body: bytes | None, shown: str):
    row = Interaction.objects.create(request_id="req_1", model="m", status="completed")
    stored = b"of another key" if body is None else encrypt(body)
    InteractionPayload.objects.create(interaction=row, prompt_enc=stored, key_id="k")
    page = signed_in("view_interaction", "read_payload").get(reverse("admin:gateway_interaction_change", args=[row.pk]))
    assert shown in page.content.decode()
    assert len(page.content) < 300_000
