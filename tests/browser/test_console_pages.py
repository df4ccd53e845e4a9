"""The console's main pages in a real browser: accessible in light and dark, usable by keyboard, live; their pictures.

`make screenshots` runs the walk with SCREENSHOTS set, which writes a picture of each page there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from orchestration.admin.base import ReadOnlyAdmin
from orchestration.clock import database_now
from orchestration.models import AIRequestAudit, ServiceCallRecord, WorkerNode
from orchestration.stats.aggregation import roll_up
from persistence.admin import overview
from persistence.models import PersistedChunk
from tests.browser.accessible import cut_off, mouse_only, problems, problems_in_both_themes, violations, wider_than
from tests.browser.pictures import FOLDER, picture
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import failed

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")


def busy_system() -> None:
    """A day of calls, and workers."""
    call_command("seed_load", calls=1500 if FOLDER else 60, days=0.9, namespaces="chatlab,consensus", yes=True)
    for number in (1, 2, 3):
        WorkerNode.objects.create(name=f"node-{number}", host="worker.example.com", pid=4000 + number)


def main_pages() -> dict[str, str]:
    """What operators look at most, by the name of its picture."""
    repaired = AIRequestAudit.objects.filter(repair=1).latest("pk")
    call, chunk = str(repaired.call_id), PersistedChunk.objects.latest("pk").pk
    bad = ServiceCallRecord.objects.failed().latest("created_at")
    return {
        "overview": f"{reverse('admin:index')}?period=24h",
        "calls": LIST,
        "call": reverse("admin:orchestration_servicecallrecord_change", args=(call,)),
        "retry": reverse("admin:orchestration_servicecallrecord_retry_call", args=(bad.pk,)),
        "failed-calls": reverse("admin:persistence_failed_calls"),
        "dead-letters": reverse("admin:persistence_dead_letters"),
        "nothing": f"{LIST}?q=nobody+ever+said+this",
        "requests": reverse("admin:orchestration_airequestaudit_changelist"),
        "request": reverse("admin:orchestration_airequestaudit_change", args=(repaired.pk,)),
        "chunks": reverse("admin:persistence_persistedchunk_changelist"),
        "chunk": reverse("admin:persistence_persistedchunk_change", args=(chunk,)),
        "workers": reverse("admin:orchestration_workernode_changelist"),
        "prices": reverse("admin:orchestration_modelprice_changelist"),
        "schedules": reverse("admin:django_q_schedule_changelist"),
        "history": reverse("admin:orchestration_servicecallrecord_history", args=(call,)),
    }


def test_main_pages_are_accessible_in_both_themes_and_on_phones(
    monkeypatch: pytest.MonkeyPatch, console: Any, live_server: Any
) -> None:
    if not FOLDER:
        monkeypatch.setattr(ReadOnlyAdmin, "list_per_page", 6)  # axe looks at every row
    busy_system()
    found = []
    for name, url in main_pages().items():
        WorkerNode.objects.update(beat_at=database_now() + timedelta(seconds=20))  # it may take so long
        console.goto(f"{live_server.url}{url}")
        picture(console, name, full_page=name in {"overview", "call"})  # before the workers are silent for too long
        found += [f"{name} {problem}" for problem in problems_in_both_themes(console)]
        found += [f"{name} {element}" for element in (*violations(console), *cut_off(console), *mouse_only(console))]
        found += [f"{name} is wider than a phone: {element}" for element in wider_than(console, 390)]
    assert not found, "\n".join(found)


def tab_to(page: Any, accepts: str, most: int = 120) -> None:
    """Press Tab until the element with the focus satisfies a condition in JavaScript."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(f"(() => {{ const it = document.activeElement; return {accepts}; }})()"):
            return
    pytest.fail(f"no element with {accepts} comes within {most} Tabs")


def test_the_keyboard_leads_from_the_dashboard_to_a_retried_call(console: Any, live_server: Any) -> None:
    call = failed(error_code="rate_limited")
    failed(error_code="timeout")
    roll_up()
    console.goto(f"{live_server.url}{reverse('admin:index')}")
    tab_to(console, "it.textContent.trim() === 'rate_limited'")
    console.keyboard.press("Enter")
    console.wait_for_url("**error_code=rate_limited**")
    console.keyboard.press("/")  # the search field
    assert console.evaluate("document.activeElement.id") == "searchbar"
    console.keyboard.type(call.pk[-8:])
    console.keyboard.press("Enter")
    console.wait_for_url("**q=**")
    tab_to(console, f"it.tagName === 'A' && it.textContent.includes('{call.pk[-8:]}')")
    console.keyboard.press("Enter")
    console.get_by_role("heading", name="Timeline").wait_for()
    tab_to(console, "it.tagName === 'A' && it.textContent.includes('Retry')")
    console.keyboard.press("Enter")
    console.get_by_text("will be queued again").wait_for()
    tab_to(console, "it.name === 'reason'")
    console.keyboard.type("the provider is back")
    tab_to(console, "it.tagName === 'BUTTON' && it.textContent.includes('Retry 1 call')")
    console.keyboard.press("Enter")
    console.get_by_text("1 call queued again.").wait_for()
    call.refresh_from_db()
    assert call.status == "queued"


def test_the_account_is_reached_by_keyboard(console: Any) -> None:
    """As on the other pages: the theme, the password, the way out."""
    account = console.get_by_role("button", name="Account of Root")
    account.press("Enter")
    console.get_by_role("button", name="Dark").press("Enter")
    assert console.evaluate("document.documentElement.classList.contains('dark')")
    console.get_by_role("link", name="Change password").wait_for()
    assert account.get_attribute("aria-expanded") == "true"
    assert problems(console) == []
    console.keyboard.press("Escape")
    console.get_by_role("button", name="Sign out").wait_for(state="hidden")
    account.press("Enter")
    console.get_by_role("button", name="Sign out").press("Enter")
    console.get_by_role("heading", name="Sign in").wait_for()


def test_the_dashboard_refreshes_while_it_is_visible(monkeypatch: pytest.MonkeyPatch, console: Any) -> None:
    monkeypatch.setattr(overview, "REFRESH_SECONDS", 1)
    console.reload()
    asked: list[str] = []
    console.on("request", lambda sent: asked.append(sent.url) if "/bulkrun/overview/" in sent.url else None)
    failed()
    roll_up()
    shown = console.locator(".orca-tile", has_text="Failed").locator(".orca-figure")
    shown.get_by_text("1", exact=True).wait_for(timeout=8_000)
    data = console.evaluate("Chart.getChart('chart-calls').data.datasets[1].data.reduce((one, two) => one + two)")
    assert data == 1
    console.get_by_role("button", name="Pause").click()
    console.get_by_text("Paused").wait_for()
    before = len(asked)
    console.wait_for_timeout(1_500)
    assert len(asked) == before
    console.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    console.get_by_role("button", name="Pause").click()  # on again, but nobody looks
    console.wait_for_timeout(1_500)
    assert len(asked) == before
    console.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    console.wait_for_timeout(500)
    assert len(asked) > before


def test_saved_searches_stand_above_the_list(console: Any, live_server: Any) -> None:
    call, _ = failed(), succeeded()
    console.goto(f"{live_server.url}{LIST}")
    console.get_by_role("link", name="Failed today").click()
    console.wait_for_url("**saved=failed_today**")
    console.get_by_role("link", name=call.pk[-8:]).wait_for()
    assert console.get_by_role("link", name="…").count() == 1
