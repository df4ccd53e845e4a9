"""What replaces itself keeps the focus, the folds and how far things were scrolled: by htmx, by a script, or by loading
the page again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from orchestration.operations import RETRY
from persistence.admin.bulk_actions import run_url
from persistence.bulk.runs import abort, freeze, start
from persistence.models import BulkRun
from tests.browser.chatting import elsewhere, expect
from tests.orchestration.factories import failed
from tests.persistence.admin.test_pairs import rerun_of_all, tickets

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ROOT = Path(__file__).resolve().parents[2]


def replaced(page: Any, target: Any) -> None:
    """Focus it, and wait until the page has put another one in its place."""
    target.focus()
    target.evaluate("it => { window.before = it; }")
    page.wait_for_function("!window.before.isConnected", timeout=20_000)


@pytest.fixture
def waiting(db: None) -> BulkRun:
    """Two calls were rerun, and the new ones wait."""
    made: list[BulkRun] = []

    def rerun() -> None:
        tickets("one", "two")
        made.append(rerun_of_all())

    elsewhere(rerun)
    return made[0]


def test_pairs_that_refresh_leave_the_focus_on_a_link(console: Any, live_server: Any, waiting: BulkRun) -> None:
    console.goto(f"{live_server.url}{reverse('admin:persistence_run_pairs', args=(waiting.pk,))}")
    old = console.get_by_role("link", name="Old", exact=True)
    for target in (old.nth(1), console.get_by_role("region", name="Pair 2"), console.get_by_role("link", name="run #")):
        replaced(console, target)
        expect(target).to_be_focused()


def test_a_comparison_leaves_the_focus_and_the_scrolling(console: Any, live_server: Any, waiting: BulkRun) -> None:
    item = waiting.items.order_by("pk")[0]
    console.set_viewport_size({"width": 390, "height": 844})
    console.goto(f"{live_server.url}{reverse('admin:persistence_compare', args=(item.call_id, item.made_call_id))}")
    answer = console.get_by_label("Answer 1", exact=True)
    figures = console.get_by_role("region", name="Figures")
    figures.evaluate("it => { it.style.width = '200px'; it.scrollLeft = 40; }")
    replaced(console, answer)
    expect(answer).to_be_focused()
    replaced(console, console.locator("#orca-figures ~ * thead a").nth(1))
    expect(console.locator("#orca-figures ~ * thead a").nth(1)).to_be_focused()


@pytest.mark.parametrize("focused", ["a button that goes", "the menu"])
def test_a_run_that_ends_leaves_the_focus_in_its_place(console: Any, live_server: Any, focused: str) -> None:
    """The whole page is loaded again. A button that is gone gives it to what was around it: a press of Enter must not
    do what stands there by now."""
    failed()
    run = freeze(RETRY, {})
    start(run)
    console.goto(f"{live_server.url}{run_url(run.pk)}")
    menu = console.get_by_role("navigation", name="Console").get_by_role("link", name="Pauses")
    target = menu if focused == "the menu" else console.get_by_role("button", name="Abort")
    target.focus()
    console.evaluate("window.before = true")
    elsewhere(lambda: abort(run))
    console.wait_for_function("!window.before")
    console.get_by_text("calls: aborted").wait_for()
    expect(menu if focused == "the menu" else console.locator("#orca-run")).to_be_focused()


PLAIN = """<!doctype html><title>Plain</title><main><p>{shown}</p>
<div id="part" hx-get="{url}" hx-trigger="every 0.2s" hx-select="#part"><a href="/a">One</a>{more}<a href="/a">Two</a>
<button>Stop {shown}</button><details><summary>Fold {shown}</summary><a href="/folded">Folded</a></details>
<span data-id="0123456789abcdef">…cdef</span></div></main>
<script src="/static/orchestration/focus.js"></script><script src="/static/orchestration/console.js"></script>
<script src="/static/orchestration/plain.js"></script>"""


def test_djangos_own_theme_keeps_it_without_htmx(page: Any, live_server: Any) -> None:
    """The second of two links with the same address, a link in a fold, and in place of a button that is called
    otherwise, the box around it."""
    url, answers = f"{live_server.url}/plain-page", iter(range(10_000))

    def answer(route: Any) -> None:
        number = next(answers)
        html = PLAIN.format(url=url, shown=number, more='<a href="/b">More</a>' if number % 2 else "")
        route.fulfill(body=html, content_type="text/html")

    page.route("**/plain-page", answer)
    page.goto(url)
    second = page.get_by_role("link", name="Two")
    replaced(page, second)
    expect(second).to_be_focused()
    page.locator("summary").click()
    folded = page.get_by_role("link", name="Folded")
    replaced(page, folded)
    expect(folded).to_be_focused()
    replaced(page, page.get_by_role("button", name="Stop"))
    expect(page.locator("#part")).to_be_focused()
    expect(page.locator(".orca-copy")).to_have_count(1)


SWAPS = re.compile(r"\.replaceWith\(|\.replaceChildren\(|\.(?:inner|outer)HTML = |location\.reload\(")
ASKED_FOR = {
    "persistence/static/persistence/approvals.js": 3,
    "orchestration/static/orchestration/console.js": 3,
    "orchestration/static/orchestration/lists.js": 1,
    "orchestration/static/orchestration/overview.js": 2,
    "orchestration/static/orchestration/focus.js": 1,
    "static/site/site.js": 1,
    "apps/training/static/training/chat.js": 1,
    "apps/training/static/training/editor.js": 1,
    "apps/training/static/training/orders.js": 3,
}
"""How often a script replaces something without `keepFocus`: what its reader asked for there and then (a decision, the
help), what is not on the page yet, and what is within a `keepFocus` that begins on an earlier line."""


def test_no_script_replaces_by_itself_without_keeping_it() -> None:
    found = {}
    for path in [*ROOT.glob("*/static/**/*.js"), *ROOT.glob("apps/*/static/**/*.js"), *ROOT.glob("static/**/*.js")]:
        lines = [line for line in path.read_text().splitlines() if SWAPS.search(line) and "keepFocus(" not in line]
        if lines:
            found[str(path.relative_to(ROOT))] = len(lines)
    assert found == ASKED_FOR, "use keepFocus or reloadInPlace of orchestration/focus.js, or count it in ASKED_FOR"
