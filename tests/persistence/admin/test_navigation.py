"""The menu: in the order of a night, at most sixteen entries, and every page is reached from one of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from persistence.admin import menu as menu_module
from persistence.admin.menu import (
    ACCESS,
    GATEWAY,
    INDEXES,
    MENU,
    MOST_ENTRIES,
    PLATFORM,
    PROMPTS,
    Entry,
    add_entries,
    letters,
)
from tests.orchestration.admin.rows import succeeded

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
INDEX = reverse("admin:index")
DOCS = Path(__file__).resolve().parents[3] / "docs" / "console.md"


def sidebar(client: Client) -> list[tuple[str, list[str]]]:
    groups = client.get(INDEX).context["sidebar_navigation"]
    return [(str(group["title"]), [str(item["title"]) for item in group["items"]]) for group in groups]


def menu(slug: str) -> str:
    return reverse("admin:persistence_menu", args=(slug,))


def listed(client: Client, slug: str) -> list[dict[str, Any]]:
    return [item for _, items in client.get(menu(slug)).context["groups"] for item in items]


def highlighted(page: Any) -> list[str]:
    items = [item for group in page.context["sidebar_navigation"] for item in group["items"]]
    return [str(item["title"]) for item in items if item["active"]]


def test_the_menu_is_in_the_order_of_a_night(root: Client) -> None:
    assert sidebar(root) == [
        ("", ["Overview", "Calls", "Approvals", "Dead letters", "Held back", "Bulk runs", "Objects"]),
        ("Traffic", ["Workers", "Pauses", "Limits"]),
        ("", ["Prompts and schemas"]),
        ("Gateway", ["Keys", "Usage", "Requests"]),
        ("", ["Platform", "Access"]),
    ]


def test_every_list_is_reached_from_the_menu(root: Client) -> None:
    groups = root.get(INDEX).context["sidebar_navigation"]
    links = {item["link"] for group in groups for item in group["items"]}
    links |= {item["link"] for slug in INDEXES for item in listed(root, slug)}
    named = {f"{meta.app_label}.{meta.object_name}": meta for meta in (model._meta for model in admin.site._registry)}
    children = {label for _, entries in MENU for entry in entries for label in entry.children}
    missing = [
        label
        for label, meta in named.items()
        if label not in children and reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist") not in links
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "active"),
    [
        ("index", "Overview"),
        ("orchestration_servicecallrecord_changelist", "Calls"),
        ("orchestration_airequestaudit_changelist", "Calls"),
        ("persistence_dead_letters", "Dead letters"),
        ("persistence_persistedpart_changelist", "Dead letters"),
        ("persistence_held", "Held back"),
        ("persistence_hold_changelist", "Approvals"),
        ("orchestration_providercircuit_changelist", "Limits"),
        ("persistence_bulkrun_changelist", "Bulk runs"),
        ("persistence_bulkitem_changelist", "Bulk runs"),
        ("persistence_persistedchunk_changelist", "Objects"),
        ("orchestration_enginecounter_changelist", "Workers"),
        ("persistence_upgrades", "Prompts and schemas"),
        ("consensus_persona_changelist", "Prompts and schemas"),
        ("gateway_interaction_usage", "Usage"),
        ("gateway_interaction_changelist", "Requests"),
        ("simulation_simulation_changelist", "Platform"),
        ("django_q_schedule_changelist", "Platform"),
        ("persistence_erase", "Access"),
        ("accounts_invitation_changelist", "Access"),
        ("password_change", None),
    ],
)
def test_the_menu_says_where_one_is(root: Client, name: str, active: str | None) -> None:
    assert highlighted(root.get(reverse(f"admin:{name}"))) == ([active] if active else [])


@pytest.mark.parametrize("name", ["dry_run", "rerun", "compare"])
def test_a_page_about_calls_stands_among_the_calls(root: Client, name: str) -> None:
    keys = [succeeded().pk for _ in range(2 if name == "compare" else 1)]
    assert highlighted(root.get(reverse(f"admin:persistence_{name}", args=keys))) == ["Calls"]


def test_it_shows_what_one_may_open(staff: Callable[..., Client]) -> None:
    client = staff("view_servicecallrecord", "view_message")
    assert sidebar(client) == [
        ("", ["Overview", "Calls", "Dead letters", "Held back"]),
        ("", ["Prompts and schemas"]),
        ("", ["Platform"]),
    ]
    assert [item["title"] for _, items in client.get(menu(PLATFORM)).context["groups"] for item in items] == [
        "Messages"
    ]
    assert client.get(menu(ACCESS)).status_code == 404
    assert client.get(menu("elsewhere")).status_code == 404
    assert "Schemas and handlers" in client.get(menu(PROMPTS)).content.decode()


@pytest.mark.parametrize(
    ("page", "leads_to"),
    [
        ("persistence_persistedpart_changelist", "persistence_dead_letters"),
        ("orchestration_workernode_changelist", "orchestration_enginecounter_changelist"),
        ("orchestration_ratelimit_changelist", "orchestration_providercircuit_changelist"),
        ("persistence_bulkrun_changelist", "persistence_bulkitem_changelist"),
        ("persistence_persistedobject_changelist", "persistence_persistedchunk_changelist"),
        ("orchestration_servicecallrecord_changelist", "orchestration_airequestaudit_changelist"),
        ("orchestration_airesponseaudit_changelist", "orchestration_servicecallrecord_changelist"),
    ],
)
def test_tables_that_serve_others_are_tabs_beside_them(root: Client, page: str, leads_to: str) -> None:
    links = [item["link"] for tab in root.get(reverse(f"admin:{page}")).context["tab_list"] for item in tab["items"]]
    assert reverse(f"admin:{leads_to}") in links


def test_the_dead_letters_lead_to_parts_and_deaths(root: Client) -> None:
    page = root.get(reverse("admin:persistence_dead_letters")).content.decode()
    assert reverse("admin:persistence_persistedpart_changelist") in page
    assert reverse("admin:persistence_persistencedeath_changelist") in page


def test_a_seventeenth_entry_is_refused() -> None:
    assert sum(len(entries) for _, entries in MENU) == MOST_ENTRIES
    with pytest.raises(ValueError, match="at most 16 entries: use add_to_index"):
        add_entries(GATEWAY, Entry(title="More", model="shop.Order"))
    with pytest.raises(ValueError, match="no group 'Shop'; there are Traffic, Gateway"):
        add_entries("Shop", Entry(title="More", model="shop.Order"))


def test_each_entry_has_a_letter_and_the_docs_say_which(root: Client) -> None:
    mine = {entry.title.lower(): key for entry, key in letters().items()}
    assert len(mine) == len(set(mine.values())) == MOST_ENTRIES
    page = root.get(INDEX).content.decode()
    shown = dict(re.findall(r'data-place="(\w)".*?<span data-title>([^<]+)</span>', page))
    assert {title.lower(): key for key, title in shown.items()} == mine
    said = DOCS.read_text().partition("opens a page of the menu (")[2].partition(")")[0]
    assert {title: key for key, title in re.findall(r"`(\w)`\s+([a-z ]+)", said)} == mine
    assert "g" not in mine.values(), "it begins again"


def test_an_entry_gets_a_letter_that_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(menu_module, "MENU", [("Traffic", [Entry(title="Workers", key="w", page="admin:index")])])
    add_entries("Traffic", Entry(title="Gowns", model="shop.Gown"), Entry(title="Go", model="shop.Go"))
    assert [letters()[entry] for _, entries in menu_module.MENU for entry in entries] == ["w", "o", "a"]
    with pytest.raises(ValueError, match="The key 'w' opens 'Workers' already"):
        add_entries("Traffic", Entry(title="Waits", key="w", model="shop.Wait"))
