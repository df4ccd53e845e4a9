"""Whoever sees a page may open all that it links to."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import urldefrag, urljoin

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.consensus.prompt_sets.install import current_prompt_set
from orchestration.admin.call_actions import call_url
from orchestration.clock import database_now
from orchestration.models import ModelPrice, Pause, ProviderCircuit, RateLimit, WorkerNode
from orchestration.models.states import OrderingPolicy
from orchestration.monitoring.alerts import forget_alerts
from orchestration.stats.aggregation import roll_up
from persistence.testing import persist
from tests.apps.people import person
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import SERVICE, failed, queued, running
from tests.persistence.results import note
from tests.rows_of_any_model import a_row
from tests.seedapp.models import Message

pytestmark = pytest.mark.django_db
LINKS = re.compile(r"<a\b[^>]*?\shref=\"([^\"#][^\"]*)\"")
CALLS = reverse("admin:orchestration_servicecallrecord_changelist")


def links_on(client: Client, url: str) -> set[str]:
    """Where a page leads, as addresses."""
    response = client.get(url, follow=True)
    assert response.status_code == 200, url
    found = {urldefrag(urljoin(url, unescape(href))).url for href in LINKS.findall(response.content.decode())}
    return {link for link in found if link.startswith("/")} - {url}


def refused(client: Client, urls: set[str]) -> dict[str, int]:
    """What of these addresses is not open to them."""
    answers = {url: client.get(url, follow=True).status_code for url in sorted(urls)}
    return {url: status for url, status in answers.items() if status != 200}


def somebody_with(*codenames: str) -> Client:
    client, user = Client(), person(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def without_a_role(handler: Any, response: Any) -> Message:
    return Message.objects.create(role=None)


def a_bad_night() -> list[str]:
    """All that an alert, a wait, a hold or a cause links to somewhere; the pages of its calls."""
    now = database_now()
    forget_alerts()
    WorkerNode.objects.create(name="node-1", beat_at=now - timedelta(minutes=5))
    ProviderCircuit.objects.create(client="other", state="open", retry_at=now + timedelta(hours=1))
    RateLimit.objects.create(pattern="default/*", blocked_until=now + timedelta(hours=1))
    Pause.start("service", SERVICE, reason="for the night")
    a_row(ModelPrice)
    root = User.objects.create_superuser("root@example.com", "pw")
    first = failed(ordering_key="k", sequence=1, ordering_policy=OrderingPolicy.HOLD, error_code="rate_limited")
    calls = [
        first,
        queued(ordering_key="k", sequence=2, ordering_policy=OrderingPolicy.HOLD, client="other"),
        queued(due_at=now - timedelta(hours=1), client="default", model_requested="m"),
        failed(error_code="invalid_output"),
        failed(error_code="unreadable"),
        running(),
        succeeded(root),
    ]
    dead = note(without_a_role, domain_persist_attempts=99)
    persist(dead)
    roll_up(afresh=True)
    return [*(call_url(call.pk) for call in [*calls, dead])]


def test_who_may_view_calls_alone_meets_no_refusal() -> None:
    calls, client = a_bad_night(), somebody_with("view_servicecallrecord")
    pages = [
        reverse("admin:index"),
        CALLS,
        f"{CALLS}?q={SERVICE}",
        reverse("admin:persistence_held"),
        reverse("admin:persistence_dead_letters"),
        reverse("admin:persistence_failed_calls"),
        reverse("admin:orchestration_alerts"),
        *calls,
    ]
    found: dict[str, list[str]] = {}
    for page in pages:
        for link in links_on(client, page):
            found.setdefault(link, []).append(page)
    assert len(found) > 30
    assert {link: found[link] for link in refused(client, set(found))} == {}


def test_who_cannot_mend_it_is_told_who_can() -> None:
    calls, client = a_bad_night(), somebody_with("view_servicecallrecord")
    said = {url: client.get(url).content.decode() for url in (reverse("admin:orchestration_alerts"), *calls)}
    for asked in ("worker nodes", "pauses", "provider circuits", "rate limits", "prompt texts"):
        assert any(f"Ask somebody who may see {asked}." in page for page in said.values()), asked
    held = client.get(reverse("admin:persistence_held")).content.decode()
    assert "Ask somebody who may see pauses." in held


def test_the_page_of_a_foreign_key_is_a_link_for_who_may_see_it() -> None:
    """Where the field cannot be edited; Django and the theme ask nobody there."""
    persona = current_prompt_set().personas.get(persona_id="critic")
    page = reverse("admin:consensus_persona_change", args=(persona.pk,))
    linked = reverse("admin:consensus_promptset_change", args=(persona.prompt_set_id,))
    assert linked in links_on(somebody_with("view_persona", "view_promptset"), page)
    reader = somebody_with("view_persona")
    assert linked not in links_on(reader, page)
    assert f">{persona.prompt_set}<" in "".join(reader.get(page).content.decode().split())


def test_rows_that_a_form_chooses_from_lead_where_one_may_go() -> None:
    """The links beside a field with a foreign key: Django asks for the rights on the other model, and so it stays."""
    page, codes = reverse("admin:accounts_apikey_add"), ("add_apikey", "view_apikey")
    beside = re.compile(r'class="\s*related-widget-wrapper-link (\w+)-related"')
    assert beside.findall(somebody_with(*codes).get(page).content.decode()) == []
    assert beside.findall(somebody_with(*codes, "view_user").get(page).content.decode()) == ["view"]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("label", sorted(model._meta.label for model in admin.site._registry))
def test_whoever_may_view_one_kind_of_rows_meets_no_refusal(label: str) -> None:
    """On the list of that model and the page of a row."""
    a_bad_night()
    model: type[Model] = next(each for each in admin.site._registry if each._meta.label == label)
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.first() or a_row(model)
    client = somebody_with(f"view_{model._meta.model_name}")
    links: set[str] = set()
    for url in (reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_change", args=(row.pk,))):
        links |= links_on(client, url)
    assert refused(client, links) == {}
