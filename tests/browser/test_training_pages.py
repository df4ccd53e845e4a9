"""The training platform in two browsers at once, with the real server and cluster, on what `manage.py demo` made."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from apps.chatlab.models import Message
from apps.simulation.models import Simulation, SimulationFeedback
from apps.trainerlab.models import InstructorNote, SessionEvent
from tests.browser.accessible import violations
from tests.browser.pictures import picture
from tests.browser.serving import WebServer, web_server
from tests.clusters import environment, running_cluster

pytestmark = [
    pytest.mark.browser,
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(300),
]
ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "demo-orchestrai"
SCRIPT = "<script>window.planted = true</script>"
ANSWER_MS = 30_000


expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@contextmanager
def demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`manage.py demo` on the test database, while the servers start."""
    command = [sys.executable, "manage.py", "demo"]
    variables = environment(folder / "run")
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def platform(tmp_path: Path, transactional_db: None) -> Iterator[WebServer]:
    """The platform after `manage.py demo`, with a server and a cluster."""
    with demo(tmp_path) as filling, running_cluster(tmp_path), web_server(tmp_path) as server:
        printed, complaints = filling.communicate(timeout=100)
        assert filling.returncode == 0, complaints[-3000:]
        check_logins(printed)
        yield server


def check_logins(printed: str) -> None:
    assert "3 played" in printed
    assert re.findall(r"(\S+@example.com)  (\S+)", printed) == [
        ("trainee@example.com", PASSWORD),
        ("second.trainee@example.com", PASSWORD),
        ("instructor@example.com", PASSWORD),
    ]


@contextmanager
def visitor(browser: Any, server: WebServer, email: str) -> Iterator[Any]:
    """Somebody signed in, in a browser context of their own; fails when a script does."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url)
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    yield page
    context.close()
    assert not errors


def looks_right(page: Any, name: str) -> None:
    """No accessibility violation, light and dark, and nothing sticks out on a phone."""
    for scheme, width in (("light", 1280), ("dark", 390)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 860})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide"
        assert violations(page) == [], (name, scheme)
        picture(page, f"{name}-{scheme}", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


def sequences(page: Any) -> list[int]:
    return page.locator("#messages [data-sequence]").evaluate_all(
        "rows => rows.map(row => Number(row.dataset.sequence))"
    )


def say(page: Any, text: str) -> None:
    """Type it and press Enter; the box is free again when the server has it."""
    page.get_by_label("Your message").fill(text)
    page.get_by_label("Your message").press("Enter")
    expect(page.get_by_label("Your message")).to_have_value("")
    page.locator("#messages .ours", has_text=text).get_by_text("Delivered").wait_for(timeout=ANSWER_MS)


def test_a_session_is_played_watched_directed_and_debriefed(browser: Any, platform: WebServer, tmp_path: Path) -> None:
    documented_commands(tmp_path, platform)
    with (
        visitor(browser, platform, "trainee@example.com") as trainee,
        visitor(browser, platform, "instructor@example.com") as instructor,
    ):
        trainee.get_by_role("heading", name="My simulations").wait_for()
        looks_right(trainee, "mine")
        instructor.get_by_role("heading", name="Board").wait_for()
        trainee.get_by_role("link", name="Start A red ring on the leg").press("Enter")
        trainee.get_by_role("button", name="Begin").press("Enter")
        trainee.get_by_role("heading", name="Ida Lindqvist").wait_for()
        trainee.locator("#messages .theirs").first.wait_for(timeout=ANSWER_MS)
        simulation = Simulation.objects.get(uuid=trainee.url.rsplit("/", 1)[1])

        watch_link = instructor.locator(f"#watch-{simulation.pk}")
        watch_link.wait_for()  # it came onto the board by itself
        looks_right(instructor, "board")
        watch_link.press("Enter")
        instructor.get_by_role("tab", name="Whisper").wait_for()

        talk(trainee, instructor)
        direct(trainee, instructor)
        cut(trainee, instructor, platform)
        looks_right(trainee, "chat")
        looks_right(instructor, "watch")
        conclude(trainee, instructor, simulation)

        other = Simulation.objects.exclude(user=simulation.user).first()
        assert trainee.goto(f"{platform.url}/training/simulations/{other.uuid}").status == 404
        assert trainee.goto(f"{platform.url}/training/board").status == 404
        for place in ("scenarios", "scenarios/new", "assignments", "invitations"):
            assert instructor.goto(f"{platform.url}/training/{place}").status == 200
            looks_right(instructor, place.replace("/", "-"))
        instructor.get_by_role("button", name="Account of").press("Enter")
        instructor.get_by_role("button", name="Sign out").press("Enter")
        instructor.get_by_role("heading", name="Sign in").wait_for()
        looks_right(instructor, "sign-in")


def documented_commands(folder: Path, server: WebServer) -> None:
    """The shell commands of docs/training.md do what it says: the first block is the fixture, this is the second."""
    first, second = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "training.md").read_text(), re.DOTALL)
    assert first.splitlines() == ["make run ONCE=1", ".venv/bin/python manage.py demo", "make run"]
    command = second.replace("http://127.0.0.1:8000", server.url)
    told = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stderr
    numbers = [int(number) for number in re.findall(r"^id: (\d+)$", told.stdout, re.MULTILINE)]
    assert numbers == sorted(set(numbers))
    assert told.stdout.count("event: message") >= 10
    assert told.stdout.rstrip().endswith("event: end\ndata: {}")


def talk(trainee: Any, instructor: Any) -> None:
    """Questions, a picture, results; the instructor sees the same, and planted script stays text."""
    say(trainee, f"Hello Ida, can you show me a picture of it? {SCRIPT}")
    trainee.locator("#messages figure img").wait_for(timeout=ANSWER_MS)
    assert trainee.locator("#messages img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
    say(trainee, "Have you been in the woods?")
    trainee.locator("#messages .theirs", has_text="walked in the woods").wait_for(timeout=ANSWER_MS)
    trainee.get_by_role("button", name="Order tests").click()
    trainee.get_by_label("Laboratory tests and imaging").fill("Borrelia IgM")
    trainee.get_by_role("button", name="Order", exact=True).click()
    row = trainee.locator("#facts tr", has_text="Borrelia IgM")
    row.get_by_text("Abnormal").wait_for(timeout=ANSWER_MS)
    instructor.locator("#facts tr", has_text="Borrelia IgM").wait_for(state="attached")
    assert instructor.get_by_text(SCRIPT).is_visible()
    assert not trainee.evaluate("'planted' in window")
    assert not instructor.evaluate("'planted' in window")


def direct(trainee: Any, instructor: Any) -> None:
    """What the instructor injects is there at once, and what is paused cannot be written in."""
    instructor.get_by_label("Inject an event").fill(f"The phone rings. {SCRIPT}")
    instructor.get_by_role("button", name="Inject", exact=True).press("Enter")
    trainee.get_by_text("The phone rings.").wait_for()
    instructor.get_by_role("tab", name="Finding").click()
    instructor.locator("#prepared button").first.click()
    trainee.get_by_text("New finding:").wait_for()
    instructor.get_by_role("link", name="Note on message 1").click()
    assert instructor.locator("#note-number").input_value() == "1"
    instructor.get_by_placeholder("A note for the debrief").fill(f"A warm welcome. {SCRIPT}")
    instructor.get_by_role("button", name="Add note").click()
    instructor.get_by_role("tab", name="Notes").click()
    instructor.locator("#notes", has_text="on message 1").wait_for()
    instructor.get_by_role("button", name="Pause").click()
    trainee.get_by_text("has paused the session").wait_for()
    assert trainee.get_by_label("Your message").count() == 0
    instructor.get_by_role("button", name="Resume").click()
    trainee.get_by_label("Your message").wait_for()


def cut(trainee: Any, instructor: Any, server: WebServer) -> None:
    """The server goes away and comes back: what was typed is kept and said once, and nothing is lost or doubled."""
    before = sequences(trainee)
    server.stop()
    trainee.get_by_text("Connection lost.").wait_for()
    trainee.get_by_label("Your message").fill("Does it itch?")
    trainee.get_by_role("button", name="Send", exact=True).click()
    trainee.get_by_text("Your text is kept").wait_for()
    assert trainee.get_by_label("Your message").input_value() == "Does it itch?"
    server.start()
    trainee.get_by_text("Connection lost.").wait_for(state="hidden", timeout=ANSWER_MS)
    trainee.get_by_role("button", name="Send", exact=True).click()
    trainee.locator("#messages .theirs", has_text="itches only a little").wait_for(timeout=ANSWER_MS)
    instructor.locator("#messages .theirs", has_text="itches only a little").wait_for(timeout=ANSWER_MS)
    for page in (trainee, instructor):
        shown = sequences(page)
        assert shown == list(range(1, len(shown) + 1))
        assert len(shown) > len(before)
    assert trainee.locator("#messages .ours", has_text="Does it itch?").count() == 1
    assert Message.objects.filter(content="Does it itch?").count() == 1


def conclude(trainee: Any, instructor: Any, simulation: Simulation) -> None:
    """End, feedback, a question about it, and the debrief that both can read."""
    trainee.get_by_role("button", name="More actions").click()
    trainee.get_by_role("button", name="End the session").click()
    trainee.get_by_role("button", name="End now").click()
    trainee.get_by_text("Patient's experience").wait_for(timeout=ANSWER_MS)
    trainee.get_by_label("Your question").fill("What was missing?")
    trainee.get_by_label("Your question").press("Enter")
    trainee.locator(".question p", has_text="next time").wait_for(timeout=ANSWER_MS)
    looks_right(trainee, "feedback")

    instructor.get_by_role("link", name="Debrief").first.click()
    instructor.get_by_role("heading", name="Transcript").wait_for()
    feedback = SimulationFeedback.objects.get(simulation=simulation)
    shown = instructor.locator("main").inner_text()
    assert feedback.overall_feedback[:60] in shown
    assert "early Lyme borreliosis" in shown
    assert f"A warm welcome. {SCRIPT}" in shown
    assert not instructor.evaluate("'planted' in window")
    looks_right(instructor, "debrief")
    instructor.emulate_media(media="print")
    assert not instructor.get_by_role("button", name="Print").is_visible()
    assert not instructor.get_by_label("Add a note").is_visible()
    assert instructor.get_by_role("heading", name="Transcript").is_visible()
    instructor.emulate_media(media="screen")
    assert list(SessionEvent.objects.filter(session__simulation=simulation).values_list("kind", flat=True)) == [
        "event",
        "finding",
        "pause",
        "resume",
    ]
    assert InstructorNote.objects.get(session__simulation=simulation).message_sequence == 1
