"""People with a browser that runs no scripts, or asks as htmx does."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import User
from apps.simulation.models import Simulation
from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.services.scenarios import start_scenario
from orchestration.testing import drain

ROOT = "/training"
HTMX = {"HX-Request": "true"}


class Visitor:
    """Somebody signed in."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.client = Client()
        self.client.force_login(user)

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.client.get(f"{ROOT}{path}", query)

    def post(self, path: str, **fields: Any) -> HttpResponse:
        """As a browser without scripts; follows to the page that is shown then."""
        return self.client.post(f"{ROOT}{path}", fields, follow=True)

    def send(self, path: str, **fields: Any) -> HttpResponse:
        """As htmx does."""
        return self.client.post(f"{ROOT}{path}", fields, headers=HTMX)

    def live(self, path: str, after: int = 0, have: str = "") -> str:
        answer = self.client.get(f"{ROOT}{path}/live", {"after": after, "have": have}, headers=HTMX)
        assert answer.status_code == 200, answer.content
        return answer.content.decode()


def scenario_of(owner: User, **fields: Any) -> ScenarioTemplate:
    """A scenario that every trainee may start."""
    values = {
        "key": "headache",
        "title": "Headache",
        "sim_patient_full_name": "Rosa Kern",
        "diagnosis": "migraine",
        "chief_complaint": "a headache on one side",
        "scenario": "Rosa is 41 years old. The headache began this morning. She has no allergies.",
        "findings": [{"kind": "lab_result", "key": "Sodium", "value": "140", "unit": "mmol/L", "flag": "normal"}],
        "is_open": True,
    }
    return ScenarioTemplate.objects.create(owner=owner, **{**values, **fields})


def begun(template: ScenarioTemplate, trainee: User) -> Simulation:
    """A session whose patient has come in."""
    simulation = start_scenario(template, trainee)
    drain()
    simulation.refresh_from_db()
    return simulation


class _Elements(HTMLParser):
    """Tags with their attributes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Elements()
    parser.feed(html)
    return parser.found


def versions(html: str) -> str:
    """What a page with this HTML says that it has."""
    parts = (attributes for _, attributes in elements(html) if "data-version" in attributes)
    return ",".join(f"{part['id']}:{part['data-version']}" for part in parts)


def shown_sequences(html: str) -> list[int]:
    return [int(attributes["data-sequence"] or 0) for _, attributes in elements(html) if "data-sequence" in attributes]
