"""A trainee in a conversation, in a real browser: sessions, and the worker that lets the patient speak when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.chatlab.models import store_message
from apps.simulation.models import Simulation
from apps.trainerlab.services.scenarios import start_scenario
from orchestration.testing import drain
from tests.apps.people import PASSWORD, person
from tests.apps.training.visits import scenario_of
from tests.browser.accessible import violations

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
expect.set_options(timeout=20_000)  # the machine may be busy
SIZES = {1440: 900, 1024: 768, 390: 844}


ROSA: dict[str, Any] = {
    "patient_age": 41,
    "patient_sex": "female",
    "patient_occupation": "teacher",
    "setting": "General practice, Monday morning",
    "task": "Take the history and say what you think it is.",
    "findings": [
        {"kind": "vital", "key": "Heart rate", "value": "118", "unit": "/min", "flag": "high"},
        {"kind": "vital", "key": "Blood pressure", "value": "124/78", "unit": "mmHg", "flag": "normal"},
        {"kind": "exam", "key": "Abdomen", "value": "Tender in the right lower quadrant", "system": "Abdomen"},
        {"kind": "lab_result", "key": "C-reactive protein", "value": "84", "unit": "mg/L", "flag": "high"},
        {"kind": "radiology_result", "key": "Chest X-ray", "value": "Clear lungs", "flag": "normal"},
    ],
}
"""A case with everything that a page can show."""


def elsewhere(do: Callable[[], object]) -> None:
    """Do it in another thread: the browser's interface runs a loop in this one, and nothing may run another."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            do()
        except BaseException as error:  # noqa: BLE001 - raised below, in the test
            failed.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def work() -> None:
    """Run what is due: the patient answers, the laboratory reports."""
    elsewhere(drain)


@contextmanager
def working() -> Iterator[None]:
    """Run what is due, as a cluster would, until the block ends."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.1):
            drain()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def session(trainee: User, *, begun: bool = True, **fields: Any) -> Simulation:
    """A session of this trainee; the patient has spoken unless `begun` is False. `minutes` is its limit."""
    minutes = fields.pop("minutes", None)
    limit = None if minutes is None else timedelta(minutes=minutes)
    instructor = person(UserRole.INSTRUCTOR)
    simulation = start_scenario(scenario_of(instructor, time_limit=limit, **fields), trainee, instructor)
    if begun:
        work()
        simulation.refresh_from_db()
        assert simulation.status == "running"
    return simulation


def speaks(simulation: Simulation, text: str, **fields: Any) -> None:
    """The patient says something, or with `fields` somebody else."""
    with transaction.atomic():
        locked = Simulation.objects.locked(simulation.pk)
        store_message(locked, content=text, **(fields or {"role": "assistant", "is_from_ai": True}))


def long_talk(simulation: Simulation, count: int) -> None:
    """So many messages, in turns."""
    for number in range(count):
        fields = {} if number % 2 else {"sender": simulation.user, "role": "user"}
        speaks(simulation, f"Line {number}. " + "It is the same as before, only a little longer. " * 3, **fields)


def sign_in(page: Any, live_server: Any, user: User, path: str, password: str = PASSWORD) -> None:
    """On the way to `path`."""
    page.goto(f"{live_server.url}/accounts/sign-in?next={path}")
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}{path}")


def chat(simulation: Simulation) -> str:
    return f"/training/simulations/{simulation.uuid}"


def box(page: Any) -> Any:
    return page.get_by_label("Your message")


def look(page: Any) -> list[str]:
    """What axe finds at the three widths, light and dark, and what sticks out sideways."""
    found = []
    page.emulate_media(reduced_motion="reduce")
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append(f"{width}: wider than the screen")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += [f"{width} {scheme} {each}" for each in violations(page)]
    return found
