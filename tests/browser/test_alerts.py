"""What is broken is on the page that is open, within ten seconds, with the way to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from orchestration.clock import database_now
from orchestration.models import ProviderCircuit, WorkerNode
from orchestration.monitoring.alerts import forget_alerts
from tests.browser.accessible import problems_in_both_themes, wider_than
from tests.browser.silence import silent_for, watch_for_silence
from tests.orchestration.factories import running

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")


@pytest.fixture(autouse=True)
def node() -> Iterator[WorkerNode]:
    forget_alerts()
    yield WorkerNode.objects.create(name="node-1", beat_at=database_now() + timedelta(hours=1))
    forget_alerts()


def test_dead_workers_and_a_dead_provider_reach_an_open_page(console: Any, live_server: Any, node: WorkerNode) -> None:
    console.goto(f"{live_server.url}{LIST}")
    box = console.locator("#orca-alerts")
    box.get_by_text("Answers are simulated").wait_for()
    assert not box.get_by_text("No worker is alive").count()
    running()
    watch_for_silence(console)
    WorkerNode.objects.filter(pk=node.pk).update(beat_at=database_now())  # its last one
    assert silent_for(console) <= 10
    ProviderCircuit.objects.create(client="default", state="open", retry_at=database_now() + timedelta(hours=1))
    box.locator("summary", has_text="2 more").wait_for()
    box.locator("summary").click()
    box.get_by_text("The provider of client default is down").wait_for()
    console.wait_for_timeout(2500)  # it stays open when it is refreshed
    assert box.get_by_text("The provider of client default is down").is_visible()
    assert "No worker is alive" in console.locator("#orca-alerts-told").inner_text()
    assert problems_in_both_themes(console) == []
    for width in (1440, 1024, 390):
        assert wider_than(console, width) == []
    box.get_by_role("link", name="Start manage.py qcluster").click()
    console.wait_for_url(f"**{reverse('admin:orchestration_workernode_changelist')}")


def test_a_server_that_does_not_answer_is_told_and_forgotten(console: Any) -> None:
    box = console.locator("#orca-alerts")
    console.route("**/alerts/", lambda route: route.abort())
    console.route("**/overview/*", lambda route: route.abort())
    box.get_by_text("The server has not answered since").wait_for()
    console.locator("#orca-fresh", has_text="Cannot be refreshed: this is as of").wait_for()
    console.unroute_all()
    box.get_by_text("The server has not answered since").wait_for(state="detached")
    console.locator("#orca-fresh", has_text="As of").wait_for()
