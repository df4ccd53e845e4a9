"""Every page with the content of the demo: no violation of accessibility at three widths, light and dark, and nothing
that sticks out. `make screenshots` runs it with SCREENSHOTS set, which writes a picture of each page there."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apps.accounts.models import User
from apps.consensus.models import Run
from apps.consensus.workflow.start import Edits, start_revision, start_run
from apps.simulation.models import Simulation
from apps.trainerlab.models import Assignment, InstructorNote, ScenarioTemplate
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.apps.consensus.reviewing import IDEA, blocking, says, script
from tests.browser.accessible import cut_off, mouse_only, violations
from tests.browser.chatting import SIZES, chat, elsewhere, sign_in
from tests.browser.pictures import picture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
ON_A_PHONE = {"chat", "feedback", "board", "watch", "consensus-run"}
"""Of these there are pictures on a phone, too."""
SHOW_ANSWERS = {
    *("chat", "feedback", "board", "watch", "debrief"),
    *("consensus-history", "consensus-run", "consensus-revise", "consensus-diff"),
}
TRAINEE, INSTRUCTOR = "trainee@example.com", "instructor@example.com"
PASSWORD = "demo-orchestrai"


@pytest.fixture(autouse=True)
def demo(transactional_db: None, settings: Any, tmp_path: Path) -> None:
    """What `manage.py demo` makes, and reviews of an idea by the trainee."""
    settings.DEBUG = True
    settings.MEDIA_ROOT = tmp_path

    def fill() -> None:
        call_command("demo", stdout=StringIO())
        guard = says("security_guardian", 0.9, blocking_issues=blocking("Anybody can read it.", critical=True), times=0)
        with scripted(*script(security_guardian=guard), *script(critic=says("critic", 0.95))):
            run, _ = start_run(User.objects.get(email=TRAINEE), idea=IDEA)
            drain()
            run.refresh_from_db()
            start_revision(run.user, run, Edits(edited_proposal={"proposed_solution": "A paper calendar."}))
            drain()

    elsewhere(fill)


def of_a_trainee() -> dict[str, str]:
    """What a trainee sees, by the name of its picture."""
    played = chat(Simulation.objects.filter(user__email=TRAINEE).latest("pk"))
    assignment = Assignment.objects.open().filter(trainee__email=TRAINEE, simulation=None).latest("pk")
    first, revision = Run.objects.order_by("created_at")
    return {
        "mine": "/training/simulations",
        "briefing": f"/training/assignments/{assignment.pk}/briefing",
        "feedback": f"{played}/feedback",
        "consensus-new": "/consensus/new",
        "consensus-history": "/consensus/",
        "consensus-run": f"/consensus/runs/{first.pk}",
        "consensus-revise": f"/consensus/runs/{first.pk}/revise",
        "consensus-diff": f"/consensus/runs/{first.pk}/diff/{revision.pk}",
    }


def of_an_instructor() -> dict[str, str]:
    """What an instructor sees."""
    ended, running = Simulation.objects.filter(ended_at__isnull=False), Simulation.objects.filter(ended_at=None)
    scenario = ScenarioTemplate.objects.get(key="demo-belly-pain")
    note = InstructorNote.objects.earliest("pk")
    return {
        "board": "/training/board",
        "watch": f"{chat(running.latest('pk'))}/watch",
        "debrief": f"{chat(ended.earliest('pk'))}/debrief",
        "note": f"{chat(note.session.simulation)}/notes/{note.pk}",
        "scenarios": "/training/scenarios",
        "editor": f"/training/scenarios/{scenario.uuid}",
        "editor-new": "/training/scenarios/new",
        "assignments": "/training/assignments",
        "invitations": "/training/invitations",
    }


def before_the_sign_in() -> dict[str, str]:
    return {
        "sign-in": "/accounts/sign-in",
        "console-sign-in": "/admin/login/",
        "forgotten": "/accounts/forgotten",
        "mail-sent": "/accounts/forgotten/sent",
        "claim-refused": "/accounts/claim",
        "missing": "/training/nothing",
    }


def walk(page: Any, live_server: Any, pages: dict[str, str]) -> list[str]:
    """What is wrong with these pages."""
    found = []
    page.emulate_media(reduced_motion="reduce")
    for name, path in pages.items():
        page.goto(f"{live_server.url}{path}")
        for width, height in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.locator("h1").first.wait_for()
                if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                    found.append(f"{name} {width}: wider than the screen")
                found += [f"{name} {width}: {each}" for each in (*cut_off(page), *mouse_only(page))]
                if name in SHOW_ANSWERS and not page.get_by_text("Simulated.", exact=True).first.is_visible():
                    found.append(f"{name} {width}: does not say that its answers are simulated")
                found += [f"{name} {width} {scheme}: {each}" for each in violations(page)]
                shoot(page, name, width, scheme)
    return found


def shoot(page: Any, name: str, width: int, scheme: str) -> None:
    """A picture of the widest page in light, and of some on a phone in dark."""
    if (width, scheme) == (max(SIZES), "light"):
        picture(page, name)
    elif (width, scheme) == (min(SIZES), "dark") and name in ON_A_PHONE:
        picture(page, f"{name}-phone")


def test_pages_before_the_sign_in(page: Any, live_server: Any) -> None:
    assert walk(page, live_server, before_the_sign_in()) == []


@pytest.mark.long
def test_pages_of_a_trainee(page: Any, live_server: Any) -> None:
    pages = of_a_trainee()
    sign_in(page, live_server, User.objects.get(email=TRAINEE), pages["mine"], PASSWORD)
    assert walk(page, live_server, pages) == []


@pytest.mark.long
def test_pages_of_an_instructor(page: Any, live_server: Any) -> None:
    pages = of_an_instructor()
    sign_in(page, live_server, User.objects.get(email=INSTRUCTOR), pages["board"], PASSWORD)
    assert walk(page, live_server, pages) == []


@pytest.mark.long
def test_the_conversation_and_the_design(page: Any, live_server: Any) -> None:
    running = Simulation.objects.filter(ended_at=None).latest("pk")
    path = chat(running)
    sign_in(page, live_server, running.user, path, PASSWORD)
    assert walk(page, live_server, {"chat": path, "design": "/design/"}) == []
