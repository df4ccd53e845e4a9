"""Who finds which places and sections, and which of them is shown as current."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from tests.apps.people import person
from tests.apps.training.visits import elements

pytestmark = pytest.mark.django_db


def links(user: User, page: str) -> list[tuple[str, str | None]]:
    """The addresses of the navigation, and what is said about each being current."""
    client = Client()
    client.force_login(user)
    html = client.get(page).content.decode()
    sidebar = html[html.index('id="sidebar"') : html.index('class="account"')]
    found = [attributes for tag, attributes in elements(sidebar) if tag == "a" and attributes.get("class") != "brand"]
    return [(str(each["href"]), each.get("aria-current")) for each in found]


def test_a_trainee_finds_training_and_consensus() -> None:
    shown = links(person(), reverse("training:mine"))
    assert shown == [("/training/", "true"), ("/consensus/", None), ("/training/simulations", "page")]


def test_an_instructor_finds_the_pages_for_directing() -> None:
    shown = dict(links(person(UserRole.INSTRUCTOR), reverse("training:new_scenario")))
    assert list(shown)[2:] == [
        "/training/board",
        "/training/scenarios",
        "/training/assignments",
        "/training/invitations",
        "/training/simulations",
    ]
    assert [url for url, current in shown.items() if current == "page"] == ["/training/scenarios"]


def test_consensus_has_its_own_sections() -> None:
    shown = links(person(), reverse("consensus:new"))
    assert shown[1:] == [("/consensus/", "true"), ("/consensus/new", "page"), ("/consensus/", None)]


def test_who_may_open_the_console_finds_it_everywhere() -> None:
    operator = User.objects.create_superuser("op@example.com", "a long password")
    assert ("/admin/", None) in links(operator, reverse("training:mine"))
    client = Client()
    client.force_login(operator)
    html = client.get(reverse("admin:index")).content.decode()
    places = html[html.index('class="site-places"') :].partition("</nav>")[0]
    assert [(each["href"], each.get("aria-current")) for tag, each in elements(places) if tag == "a"] == [
        ("/training/", None),
        ("/consensus/", None),
        ("/admin/", "true"),
    ]


def test_before_the_sign_in_there_is_no_navigation(client: Client) -> None:
    html = client.get(reverse("accounts:sign_in")).content.decode()
    assert 'id="sidebar"' not in html
    assert "popovertarget" not in html


def test_names_of_people_stay_text_in_the_sidebar(client: Client) -> None:
    user = person()
    User.objects.filter(pk=user.pk).update(first_name="<b>Bo</b>", last_name='"x" onclick="y"')
    client.force_login(User.objects.get(pk=user.pk))
    html = client.get(reverse("training:mine")).content.decode()
    assert "<b>Bo" not in html
    assert 'onclick="y"' not in html.replace("&quot;", "'")


def test_the_page_of_the_design_is_there_only_while_debugging(client: Client, settings: Any) -> None:
    assert client.get(reverse("design")).status_code == 404
    settings.DEBUG = True
    shown = client.get(reverse("design"))
    assert shown.status_code == 200
    assert b"empty-state" in shown.content
