"""The shell and the components in a real browser: accessible in both themes, by keyboard, on a phone; drafts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse

from apps.accounts.models import User
from tests.apps.people import PASSWORD, person
from tests.browser.accessible import violations, wider_than

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture
def visitor(page: Any, live_server: Any, settings: Any) -> Any:
    """Somebody who may open the console, on the page that shows the design."""
    settings.DEBUG = True
    user = person()
    User.objects.filter(pk=user.pk).update(first_name="Tess", last_name="Trainee", is_staff=True, is_superuser=True)
    page.goto(f"{live_server.url}/accounts/sign-in?next=/design/")
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Design", exact=True).wait_for()
    return page


def test_every_component_is_accessible_and_fits_a_phone(visitor: Any) -> None:
    visitor.emulate_media(reduced_motion="reduce")
    for scheme in ("light", "dark"):
        visitor.emulate_media(color_scheme=scheme)
        assert violations(visitor) == [], scheme
    for width in (1440, 1024, 390):
        assert wider_than(visitor, width) == [], width


def test_the_theme_that_is_chosen_is_that_of_the_console_too(visitor: Any, live_server: Any) -> None:
    visitor.emulate_media(color_scheme="light")
    light = visitor.evaluate("getComputedStyle(document.body).backgroundColor")
    visitor.get_by_role("button", name="Account of Tess Trainee").press("Enter")
    visitor.locator("#account-menu").get_by_role("button", name="Dark").press("Enter")
    assert visitor.evaluate("getComputedStyle(document.body).backgroundColor") != light
    visitor.get_by_role("navigation", name="Places").get_by_role("link", name="Console").click()
    visitor.wait_for_url(f"**{reverse('admin:index')}")
    expect(visitor.locator("html")).to_have_class(re.compile(r"\bdark\b"))
    places = visitor.get_by_role("navigation", name="Places")
    assert places.get_by_role("link").all_inner_texts() == ["Training", "Consensus", "Console"]
    places.get_by_role("link", name="Consensus").click()
    expect(visitor.locator("html")).to_have_attribute("data-theme", "dark")


def test_on_a_phone_the_navigation_is_behind_a_button(visitor: Any) -> None:
    visitor.set_viewport_size({"width": 390, "height": 844})
    navigation = visitor.get_by_role("navigation", name="Places")
    expect(navigation).to_be_hidden()
    visitor.get_by_role("button", name="Menu", exact=True).press("Enter")
    expect(navigation).to_be_visible()
    visitor.get_by_role("button", name="Account of Tess Trainee").press("Enter")
    expect(visitor.get_by_role("button", name="Sign out")).to_be_visible()
    visitor.keyboard.press("Escape")
    expect(navigation).to_be_visible()
    visitor.keyboard.press("Escape")
    expect(navigation).to_be_hidden()


def test_a_dialog_opens_by_keyboard_and_returns_the_focus(visitor: Any) -> None:
    opener = visitor.get_by_role("button", name="End the session")
    opener.press("Enter")
    expect(visitor.get_by_role("dialog", name="End the session?")).to_be_visible()
    visitor.keyboard.press("Escape")
    expect(visitor.get_by_role("dialog")).to_be_hidden()
    expect(opener).to_be_focused()
    visitor.get_by_role("button", name="Show a toast").press("Enter")
    expect(visitor.get_by_role("status").get_by_text("Saved.")).to_be_visible()


def test_what_is_typed_survives_a_reload_and_a_sign_out(visitor: Any, live_server: Any) -> None:
    visitor.get_by_label("Title").first.fill("A half-written title")
    visitor.get_by_label("Role").first.select_option("instructor")
    visitor.get_by_label("Open to every trainee").first.check()
    visitor.reload()
    expect(visitor.get_by_label("Title").first).to_have_value("A half-written title")
    expect(visitor.get_by_label("Role").first).to_have_value("instructor")
    expect(visitor.get_by_label("Open to every trainee").first).to_be_checked()

    other = visitor.context.new_page()
    other.goto(f"{live_server.url}/training/simulations")
    other.get_by_role("button", name="Account of Tess Trainee").click()
    other.get_by_role("button", name="Sign out").click()
    other.get_by_role("heading", name="Sign in").wait_for()
    visitor.goto(f"{live_server.url}/accounts/sign-in?next=/design/")
    visitor.get_by_label("Email").fill(User.objects.get().email)
    visitor.get_by_label("Password").fill(PASSWORD)
    visitor.keyboard.press("Enter")
    expect(visitor.get_by_label("Title").first).to_have_value("A half-written title")
    other.close()


def test_a_moment_is_told_in_the_readers_zone(browser: Any, live_server: Any, settings: Any) -> None:
    settings.DEBUG = True
    context = browser.new_context(timezone_id="Asia/Kolkata")
    page = context.new_page()
    page.goto(f"{live_server.url}/design/")
    shown = page.locator(".meta time")
    expect(shown).to_have_text(re.compile(r"\d{2}:\d{2}(, | )GMT\+5:30$"))
    context.close()
