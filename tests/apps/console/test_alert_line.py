"""What is broken stands once at the top of every page of the console, whatever templates it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse

from orchestration.clock import database_now
from orchestration.models import WorkerNode
from orchestration.monitoring.alerts import forget_alerts, latest_alerts
from tests.matrix.asking import QUERIES
from tests.matrix.endpoints import names
from tests.matrix.test_permissions import read
from tests.matrix.world import ACTORS, World

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
MATRIX = Path(__file__).resolve().parents[2] / "matrix"
PARTS = {
    "GET /admin/orchestration/workernode/alerts/": "the line itself",
    "GET /admin/persistence/bulkrun/overview/": "the figures of the overview",
    "GET /admin/search/": "what the search of the menu finds",
    "GET /admin/persistence/bulkrun/{run_id}/progress/": "the figures of a run",
}
"""What pages fetch for themselves."""


HELD_BACK = "GET /admin/persistence/bulkrun/held/"
"""It lists what holds calls, too: a missing worker among it."""
CONSOLE = [name for name in names() if name.startswith("admin_")]


def pages(name: str) -> list[str]:
    """The routes of a table that answer a superuser with 200."""
    root = ACTORS.index("root")
    found = [route for route, row in read(MATRIX / f"{name}.txt").items() if row.split()[root] == "200"]
    return [route for route in found if route.startswith("GET ") and route not in PARTS]


@pytest.fixture(autouse=True)
def unknown() -> Iterator[None]:
    forget_alerts()
    yield
    forget_alerts()


@pytest.mark.parametrize("name", CONSOLE)
def test_every_page_says_what_is_broken_once(name: str) -> None:
    world, looked_at, wrong = World(), [], {}
    for route in pages(name):
        address = world.address(route.removeprefix("GET "))
        WorkerNode.objects.update(beat_at=database_now() - timedelta(minutes=1))  # one may have been made for it
        latest_alerts()
        response = world.clients["root"].get(address, QUERIES.get(route, {}))
        assert response.status_code == 200, route
        if not response.get("Content-Type", "").startswith("text/html"):
            continue
        html = b"".join(response).decode()
        looked_at.append(route)
        found = (html.count('id="orca-alerts"'), html.count("No worker is alive"))
        if found != (1, 2 if route == HELD_BACK else 1):
            wrong[route] = found
    assert wrong == {}
    assert looked_at


def test_every_page_of_the_console_is_among_them() -> None:
    assert len([route for name in CONSOLE for route in pages(name)]) > 180
    assert {f"GET {reverse('admin:index')}", f"GET {reverse('admin:persistence_held')}"} <= {
        route for name in CONSOLE for route in pages(name)
    }
