"""No page that one looks at in a bad night reads a large table from one end to the other."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from orchestration.admin.call_actions import call_url
from orchestration.admin.filters import SAVED
from orchestration.clock import database_now
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.states import Status
from persistence.models import PersistedChunk, PersistedObject
from tests.orchestration.factories import SERVICE, expired, running
from tests.persistence.admin.test_call_page_costs import STATES, State, states, with_everything
from tests.plans import plans_of

__all__ = ["states"]
pytestmark = [pytest.mark.django_db, pytest.mark.postgres_only, pytest.mark.slow, pytest.mark.timeout(600)]
LARGE = [
    model._meta.db_table
    for model in (ServiceCallRecord, AIRequestAudit, AIResponseAudit, PersistedChunk, PersistedObject)
]
OTHERS = 4_000
"""Calls beside those that are looked at, each with its audits; reading all of them costs more than any index does."""
CALLS = reverse("admin:orchestration_servicecallrecord_changelist")
FILTERS = [
    *("", "q=rate_limited", "q=user:1", "q=user 1", "status__exact=queued", "status__exact=succeeded"),
    *("status__exact=failed", "domain_persist_state__exact=dead", "error_code=timeout", f"service={SERVICE}"),
    *("model=gpt-4o", f"held=paused:service {SERVICE}", "dead=1", "began_to_fail=1"),
    *(f"saved={name}" for name in SAVED),
]
"""Not the end of an id, or words: what no index serves is looked for in the newest calls, which here are all."""
PAGES = [
    reverse("admin:index"),
    *(reverse(f"admin:persistence_{name}") for name in ("held", "dead_letters", "failed_calls")),
    *(f"{CALLS}?{query}" for query in FILTERS),
]


@pytest.fixture
def calls(states: dict[str, State]) -> dict[str, ServiceCallRecord]:
    """One of each kind, with reruns, among many others; statistics are fresh."""
    call_command("seed_load", calls=OTHERS, days=2.0, yes=True)
    made = {name: with_everything(states[name]()) for name in STATES}
    made |= {"running": with_everything(running()), "lost by its worker": with_everything(expired())}
    cancelled = running(status=Status.CANCELLED, finished_at=database_now())
    made["cancelled"] = with_everything(cancelled)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(LARGE)}")
    return made


def test_the_page_of_no_call_reads_a_large_table_whole(root: Client, calls: dict[str, ServiceCallRecord]) -> None:
    found: list[str] = []
    asked: set[str] = set()
    for name, call in calls.items():
        root.get(call_url(call.pk))
        with plans_of() as plans:
            assert root.get(call_url(call.pk)).status_code == 200
        found += [f"{name}: {scan}" for scan in plans.read_whole(*LARGE)]
        asked |= {table for table in LARGE if any(f'"{table}"' in sql for sql in plans.found)}
    assert asked == set(LARGE)
    assert not found


def test_nor_does_what_leads_to_them(root: Client, calls: dict[str, ServiceCallRecord]) -> None:
    found: list[str] = []
    for page in PAGES:
        root.get(page)
        with plans_of() as plans:
            assert root.get(page).status_code == 200, page
        found += [f"{page}: {scan}" for scan in plans.read_whole(*LARGE)]
    assert not found
