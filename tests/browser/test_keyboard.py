"""The keys of the console: places, rows, the help that names them, and what the theme left to the mouse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from orchestration.clock import database_now
from orchestration.models import ProviderCircuit
from orchestration.monitoring.alerts import forget_alerts
from orchestration.stats.aggregation import roll_up
from persistence.admin import overview
from persistence.admin.menu import MOST_ENTRIES
from tests.browser.accessible import mouse_only, problems
from tests.browser.by_keyboard import Keyboard
from tests.browser.chatting import expect
from tests.orchestration.factories import failed

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")


def test_rows_are_chosen_and_opened_by_keys(console: Any, live_server: Any) -> None:
    calls = [failed(), failed()]
    console.keyboard.press("g")
    console.keyboard.press("c")
    console.wait_for_url(f"**{LIST}")
    for key in ("j", "x", "j", "k", "j"):
        console.keyboard.press(key)
    assert console.locator("input.action-select").first.is_checked()
    assert not console.locator("input.action-select").nth(1).is_checked()
    console.keyboard.press("Enter")
    console.wait_for_url(f"**{calls[0].pk}/change/**")
    console.keyboard.press("g")
    console.keyboard.press("d")
    console.wait_for_url("**/dead-letters/")


def test_each_page_of_the_menu_is_opened_by_its_letter(console: Any, live_server: Any) -> None:
    links = console.locator("[data-place]")
    wanted = {link.get_attribute("data-place"): link.get_attribute("href") for link in links.all()}
    assert len(wanted) == MOST_ENTRIES

    def stay(route: Any) -> None:
        route.fulfill(status=204) if route.request.is_navigation_request() else route.continue_()

    console.route("**/admin/**", stay)
    for letter, path in wanted.items():
        console.keyboard.press("g")
        with console.expect_response(lambda response: response.status == 204) as opened:
            console.keyboard.press(letter)
        assert opened.value.url == f"{live_server.url}{path}"
    console.unroute_all()


def test_an_id_is_copied_with_one_click_or_key(console: Any, live_server: Any) -> None:
    """Whole, however short it is shown; in parts of a page that replace themselves, too, and with one button each."""
    call = failed()
    console.context.grant_permissions(["clipboard-read", "clipboard-write"])
    console.goto(f"{live_server.url}{reverse('admin:persistence_failed_calls')}")
    button = console.locator("article .orca-copy")
    for _ in range(2):
        expect(button).to_have_count(1)
        console.evaluate("navigator.clipboard.writeText('')")
        button.click()
        console.locator("[data-copied]").wait_for()
        assert console.evaluate("navigator.clipboard.readText()") == call.pk
        button.evaluate("it => { it.remove(); }")
        for _ in range(2):
            console.evaluate("document.body.dispatchEvent(new CustomEvent('htmx:load', { bubbles: true }))")
    console.goto(f"{live_server.url}{LIST}")
    console.evaluate("navigator.clipboard.writeText('')")
    console.keyboard.press("j")
    console.keyboard.press("y")
    console.locator("[data-copied]").wait_for()
    assert console.evaluate("navigator.clipboard.readText()") == call.pk


def test_what_is_written_is_not_taken_for_keys(console: Any, live_server: Any) -> None:
    failed()
    console.goto(f"{live_server.url}{LIST}")
    console.keyboard.press("/")
    console.keyboard.type("gc?jx")
    assert console.locator("#searchbar").input_value() == "gc?jx"
    assert console.locator("dialog[open]").count() == 0


def test_the_keys_are_named_on_demand(console: Any) -> None:
    console.keyboard.press("?")
    console.get_by_role("dialog", name="Keys").wait_for()
    assert console.get_by_text("Dead letters").last.is_visible()
    assert problems(console) == []
    console.keyboard.press("Escape")
    assert console.locator("dialog[open]").count() == 0


def test_the_first_stop_leads_past_the_menu_to_the_rows(console: Any, live_server: Any) -> None:
    """There were 67 stops before the first row."""
    failed()
    console.goto(f"{live_server.url}{LIST}")
    console.keyboard.press("Tab")
    assert console.evaluate("document.activeElement.textContent") == "Skip to the rows"
    assert problems(console) == []
    console.keyboard.press("Enter")
    console.keyboard.press("Tab")
    assert console.evaluate("document.activeElement.closest('#result_list') !== null")
    console.goto(f"{live_server.url}{reverse('admin:index')}")
    console.keyboard.press("Tab")
    assert console.evaluate("document.activeElement.textContent") == "Skip to the content"


def test_selected_rows_are_acted_on_by_keys(console: Any, live_server: Any) -> None:
    failed()
    console.goto(f"{live_server.url}{LIST}")
    keyboard = Keyboard(console)
    keyboard.press("a")
    assert console.evaluate("document.activeElement === document.body"), "there is nothing to choose yet"
    keyboard.press("j", "x", "a")
    keyboard.choose(console.locator("select[name=action]"), "retry_selected")
    keyboard.enter(console.get_by_role("button", name="Run"))
    console.get_by_text("will be queued again").wait_for()


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_filters_are_reached_used_and_left(console: Any, live_server: Any, width: int) -> None:
    """The theme's button for them is none, and they stand far behind the rows."""
    failed()
    keyboard = Keyboard(console)
    keyboard.resize(width)
    console.goto(f"{live_server.url}{LIST}")
    opener = console.get_by_role("button", name="Filters")
    keyboard.press("/", "Escape")
    keyboard.enter(opener)
    panel = console.locator("#changelist-filter")
    expect(panel).to_be_visible()
    console.wait_for_function("document.querySelector('#changelist-filter').contains(document.activeElement)")
    assert mouse_only(console) == []
    assert problems(console) == []
    keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(opener).to_be_focused()
    keyboard.press("Enter")
    keyboard.enter(panel.get_by_role("link", name="Queued", exact=True))
    console.wait_for_url("**status__exact=queued**")


@pytest.mark.parametrize("width", [1024, 390])
def test_the_menu_is_opened_and_closed_by_keys(console: Any, width: int) -> None:
    keyboard = Keyboard(console)
    keyboard.resize(width)
    console.reload()
    menu, opener = console.get_by_role("navigation", name="Console"), console.get_by_role("button", name="Menu")
    expect(menu).to_be_hidden()
    for close in ("Escape", "Enter"):
        keyboard.enter(opener)
        expect(menu).to_be_visible()
        console.wait_for_function("document.querySelector('#nav-sidebar').contains(document.activeElement)")
        assert mouse_only(console) == []
        if close == "Enter":
            keyboard.reach(menu.get_by_role("button", name="Close"))
        keyboard.press(close)
        expect(menu).to_be_hidden()
        expect(opener).to_be_focused()
    keyboard.press("Enter")
    keyboard.enter(menu.get_by_role("link", name="Bulk runs"))
    console.wait_for_url("**/bulkrun/")


def test_a_refresh_leaves_the_focus_where_it_is(console: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a line of what is broken, on the box that hides the others, and on a table of the overview."""
    monkeypatch.setattr(overview, "REFRESH_SECONDS", 1)
    forget_alerts()
    broken("default"), broken("other"), failed()
    roll_up()
    console.reload()
    keyboard, box = Keyboard(console), console.locator("#orca-alerts")
    box.locator("summary").wait_for()
    keyboard.skip_menu()
    tiles, tables = console.locator(".orca-figure a"), console.locator(".orca-scroll")
    for target in (box.locator("summary"), tables.first, tiles.last):
        keyboard.reach(target)
        target.evaluate("it => { window.before = it; }")
        broken(f"another {ProviderCircuit.objects.count()}")
        console.wait_for_function("!window.before.isConnected", timeout=20_000)
        expect(target).to_be_focused()
    forget_alerts()


def broken(client: str) -> None:
    ProviderCircuit.objects.create(client=client, state="open", retry_at=database_now() + timedelta(hours=1))
