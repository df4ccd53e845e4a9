"""How many rows came since a list was loaded: by its filter, by its order, and without counting the table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.gateway.models import Interaction
from orchestration.admin import newer_rows
from orchestration.clock import database_now
from orchestration.models import AIRequestAudit, AIResponseAudit
from persistence.models import BulkRun, PersistedChunk
from tests.orchestration.factories import failed, queued
from tests.rows_of_any_model import a_row

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")


def asked(client: Client, url: str) -> str:
    """Where the list that is shown asks for newer rows."""
    watched = client.get(url).context["newer"]
    return str(watched["url"])


def told(client: Client, url: str) -> tuple[int, bool]:
    answer = client.get(url).json()
    return answer["count"], answer["more"]


def test_newer_rows_that_match_the_filter_are_counted(root: Client) -> None:
    failed()
    everything, failures = asked(root, LIST), asked(root, f"{LIST}?status__exact=failed")
    assert told(root, everything) == (0, False)
    queued(), queued(), failed()
    assert told(root, everything) == (3, False)
    assert told(root, failures) == (1, False)


def test_of_an_empty_list_every_row_is_new(root: Client) -> None:
    """An old call, too, that fails only now: the list of failed calls is watched before the first one."""
    old = queued(created_at=database_now() - timedelta(days=1))
    failures = asked(root, f"{LIST}?status__exact=failed")
    queued()
    assert told(root, failures) == (0, False)
    old.status, old.finished_at = "failed", database_now()
    old.save()
    assert told(root, failures) == (1, False)
    with CaptureQueriesContext(connection) as captured:
        root.get(failures)
    assert len(captured) == 3, "session, user, the count"
    old.delete()
    assert root.get(LIST, {"status__exact": "failed", "q": "user:0"}).context["newer"] is not None


def test_a_row_of_the_same_moment_is_above_by_its_id(root: Client) -> None:
    at = database_now()
    below, shown, above = sorted(str(uuid4()) for _ in range(3))
    queued(pk=shown, created_at=at)
    url = asked(root, LIST)
    queued(pk=below, created_at=at), queued(pk=above, created_at=at)
    assert told(root, url) == (1, False)


def test_no_more_than_a_page_needs_are_looked_at(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    queued(created_at=database_now() - timedelta(minutes=1))
    url = asked(root, LIST)
    failures = url.replace("?", "?status__exact=failed&")
    for _ in range(4):
        queued()
    monkeypatch.setattr(newer_rows, "MOST", 3)
    assert told(root, url) == (3, True)
    monkeypatch.setattr(newer_rows, "LOOKED_AT", 2)
    failed()
    assert told(root, failures) == (0, True)


def test_it_counts_no_table_and_reads_no_rows(root: Client) -> None:
    """Session, user, the first row, the bound, and the count; no page of the list."""
    queued()
    url = asked(root, LIST)
    with CaptureQueriesContext(connection) as captured:
        root.get(url)
    statements = [query["sql"] for query in captured]
    assert len(statements) == 5, statements
    assert not [sql for sql in statements if sql.startswith('SELECT COUNT(*) AS "__count" FROM "service_call_record"')]


def test_other_lists_tell_too_and_other_orders_do_not(root: Client) -> None:
    for model in (BulkRun, AIRequestAudit, AIResponseAudit, PersistedChunk, Interaction):
        a_row(model)
        meta = model._meta
        page = root.get(reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"))
        assert page.content.count(b'id="orca-newer"') == 1, meta
        a_row(model)
        assert told(root, page.context["newer"]["url"]) == (1, False), meta
    queued()
    for odd in ("?o=2", "?p=2", "?saved=expensive"):
        assert root.get(f"{LIST}{odd}").context["newer"] is None


def test_a_poll_says_nothing_to_the_next_page(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that looked through the newest calls alone says so on the page that one sees, and there only."""
    monkeypatch.setattr("orchestration.admin.indexed_search.WINDOW", 1)
    queued(error="x y z"), queued(error="x y z")
    url = asked(root, f"{LIST}?q=x+y+z")
    answer: Any = root.get(url)
    assert answer.status_code == 200
    assert not list(get_messages(answer.wsgi_request))


def test_it_needs_the_right_to_view_and_a_row(staff: Callable[..., Client], root: Client) -> None:
    call = queued()
    url = f"{LIST}?newer_than={call.pk}"
    assert staff().get(url).status_code == 403
    assert staff("view_servicecallrecord").get(url).status_code == 200
    assert root.get(f"{LIST}?newer_than=nothing").status_code == 404
