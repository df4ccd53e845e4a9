"""The console in Django's own theme: every page of calls and persistence at three widths, in light and dark, with what
happens on it. The project is tests/stranger, as `startproject` would have it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.browser.accessible import violations
from tests.browser.chatting import SIZES
from tests.browser.serving import WebServer, serving
from tests.stranger.environment import PASSWORD, environment_of

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(900)]


class PlainServer(WebServer):
    target = ("--interface", "wsgi", "tests.stranger.wsgi:application")
    health = "/inside/healthz"


@dataclass(frozen=True, slots=True)
class Project:
    """A server, and its pages by what they show."""

    url: str
    pages: dict[str, str]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("plain")
    variables = environment_of(folder, "ordinary")
    command = [sys.executable, "-m", "tests.stranger.visit", "--only-prepare"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with serving(PlainServer(variables, folder / "web.log")) as server:
        yield Project(server.url, json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def console(page: Any, project: Project) -> Any:
    """Signed in."""
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{project.url}{project.pages['first']}")
    page.locator("#id_username").fill("root")
    page.locator("#id_password").fill(PASSWORD)
    page.locator("input[type=submit]").click()
    page.locator("#user-tools").wait_for()
    return page


SEEN = {1440: "light", 390: "dark"}
"""By the width, in which colours axe looks at a page: what it finds depends on either, hardly on both."""
SETTLED = "() => document.getAnimations().forEach(animation => animation.finish())"
"""The colours that stay: Django's links take a while."""
OUTSIDE = """() => [...document.querySelectorAll(".orca-card :is(.orca-after, dd, dt, li, h2, pre, input, select)")]
    .filter(it => !it.closest(".orca-scroll"))
    .filter(it => it.getBoundingClientRect().right > it.closest(".orca-card").getBoundingClientRect().right)
    .slice(0, 3).map(it => it.outerHTML.slice(0, 160))"""
SAID_TWICE = """() => {
    const said = [...document.querySelectorAll("main :is(h1, h2)")].map(it => it.textContent.trim()).filter(Boolean);
    return said.filter((text, place) => said.indexOf(text) !== place);
}"""
GLARING = """() => [...document.querySelectorAll("[class*=orca-]")].filter(it => {
    const [red, green, blue, shown = 1] = getComputedStyle(it).backgroundColor.match(/[\\d.]+/g).map(Number);
    return shown > 0.5 && (red + green + blue) / 3 > 128;
}).filter(it => !it.matches("a, button, .orca-stretch")).slice(0, 3).map(it => it.outerHTML.slice(0, 160))"""


def faults(page: Any, project: Project, names: list[str]) -> list[str]:
    """What is wrong with these pages, at all widths."""
    found = []
    for name in names:
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(f"{project.url}{project.pages[name]}")
        found += [f"{name}: said twice: {text}" for text in page.evaluate(SAID_TWICE)]
        for width, height in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                found.append(f"{name} {width}: wider than the screen")
            found += [f"{name} {width}: outside its card: {each}" for each in page.evaluate(OUTSIDE)]
            if scheme := SEEN.get(width):
                page.emulate_media(color_scheme=scheme)
                page.evaluate(SETTLED)
                found += [f"{name} {width} {scheme}: {each}" for each in violations(page)]
        found += [f"{name}: glaring in the dark: {each}" for each in page.evaluate(GLARING)]
    return found


def ours(project: Project) -> list[str]:
    """Those of django-q are its own and Django's."""
    return [name for name in project.pages if not name.startswith("django_q")]


def test_lists_and_forms_are_accessible_at_all_widths(console: Any, project: Project) -> None:
    wanted = [name for name in ours(project) if "_" in name and " row" not in name]
    assert len(wanted) > 30
    found = faults(console, project, wanted)
    assert not found, "\n".join(found)


def test_rows_are_accessible_at_all_widths(console: Any, project: Project) -> None:
    wanted = [name for name in ours(project) if " row" in name]
    assert len(wanted) > 15
    found = faults(console, project, wanted)
    assert not found, "\n".join(found)


def test_what_is_done_with_calls_is_accessible(console: Any, project: Project) -> None:
    wanted = [name for name in ours(project) if "_" not in name]
    assert len(wanted) > 20
    found = faults(console, project, wanted)
    assert not found, "\n".join(found)


def test_fields_of_a_range_say_what_they_are(console: Any, project: Project) -> None:
    console.goto(f"{project.url}{project.pages['orchestration_servicecallrecord']}")
    created = console.get_by_role("form", name="Filter by created at")
    assert created.get_by_text("From", exact=True).is_visible()
    assert created.get_by_text("Until", exact=True).is_visible()
    created.get_by_role("group", name="From").get_by_label("Day").fill("2020-01-01")
    created.get_by_role("group", name="Until").get_by_label("Day").fill("2020-01-02")
    created.get_by_role("button", name="Filter").click()
    console.wait_for_url("**created_at_to_0=2020-01-02**")
    assert console.locator("#result_list").count() == 0


def test_a_run_that_ends_is_shown_without_htmx(console: Any, project: Project) -> None:
    console.goto(f"{project.url}{project.pages['run queued']}")
    console.get_by_text("calls: queued").wait_for()
    beside = console.context.new_page()
    beside.goto(f"{project.url}{project.pages['run queued']}")
    beside.get_by_role("button", name="Abort").click()
    beside.get_by_text("calls: aborted").wait_for()
    console.get_by_text("calls: aborted").wait_for()
