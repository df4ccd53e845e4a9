"""The Content-Security-Policy in a real browser: pages work under it, and what does not belong to them does not."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = ["/training/", "/training/scenarios", "/consensus/", "/consensus/new", "/admin/search/?s=x"]


def test_no_main_page_violates_its_policy(console: Any, live_server: Any) -> None:
    """The fixture fails for each violation."""
    User.objects.filter(email="root@example.com").update(role=UserRole.ADMIN)
    lists = [f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist" for model in admin.site._registry]
    forms = ["admin:django_q_schedule_add", "admin:accounts_apikey_add", "admin:orchestration_modelprice_import"]
    for address in [*PAGES, *map(reverse, [*lists, *forms])]:
        answer = console.goto(f"{live_server.url}{address}")
        assert "script-src 'self'" in answer.headers["content-security-policy"], address


def test_the_description_of_the_api_is_drawn(page: Any, live_server: Any) -> None:
    page.goto(f"{live_server.url}/api/v1/docs")
    title = page.get_by_text("Durable LLM service calls").first
    title.wait_for()
    assert title.is_visible()


@pytest.mark.parametrize("address", ["/accounts/sign-in", "/admin/login/"])
def test_script_that_got_into_a_page_does_not_run(browser: Any, live_server: Any, address: str) -> None:
    context = browser.new_context()
    tab = context.new_page()
    injected = "<script>window.ran = 1</script><img src=x onerror='window.ran=1'></body>"

    def with_script(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("</body>", injected))

    tab.route(f"**{address}", with_script)
    tab.goto(f"{live_server.url}{address}")
    tab.wait_for_timeout(300)
    assert tab.evaluate("window.ran") is None
    context.close()
