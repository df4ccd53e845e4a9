"""The path at the top of a page: the menu's names, then the row's own."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import ApiKey, User
from orchestration.models import RateLimit
from tests.orchestration.admin.rows import succeeded

pytestmark = pytest.mark.django_db
PART = re.compile(r"<(?:a|span)[^>]*tracking-tight[^>]*>(.*?)</(?:a|span)>")


def path(client: Client, address: str) -> list[str]:
    head = client.get(address).content.decode().partition("<h1")[2].partition("</h1>")[0]
    return [part.strip() for part in PART.findall(head)]


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_superuser("root@example.com", "pw")


@pytest.fixture
def root(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("index", ["Overview"]),
        ("orchestration_servicecallrecord_changelist", ["Calls"]),
        ("persistence_hold_changelist", ["Approvals"]),
        ("persistence_persistedobject_changelist", ["Objects"]),
        ("persistence_persistedchunk_changelist", ["Objects", "Persisted chunks"]),
        ("orchestration_workernode_changelist", ["Workers"]),
        ("orchestration_providercircuit_changelist", ["Limits", "Provider circuits"]),
        ("gateway_interaction_changelist", ["Requests"]),
        ("accounts_apikey_add", ["Keys"]),
        ("orchestration_prompttext_changelist", ["Prompts and schemas", "Prompt texts"]),
        ("persistence_dead_letters", ["Dead letters"]),
        ("persistence_failed_calls", ["Calls", "Failed calls by cause"]),
        ("persistence_erase", ["Access", "Erase a person"]),
    ],
)
def test_a_page_is_called_as_in_the_menu(root: Client, page: str, said: list[str]) -> None:
    assert path(root, reverse(f"admin:{page}")) == said


def test_names_of_rows_are_written_as_they_are(root: Client, owner: User) -> None:
    limit = RateLimit.objects.create(pattern="default/gpt-4o*", parallel=1)
    assert path(root, reverse("admin:orchestration_ratelimit_change", args=(limit.pk,))) == [
        "Limits",
        "default/gpt-4o*",
    ]
    key, _ = ApiKey.issue(owner, "demo", [])
    assert path(root, reverse("admin:accounts_apikey_change", args=(key.pk,))) == ["Keys", str(key)]
    call = succeeded()
    page = reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))
    assert path(root, page) == ["Calls", f"…{call.pk[-8:]}"]
