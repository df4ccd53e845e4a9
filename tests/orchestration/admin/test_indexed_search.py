"""Finding calls: every kind of term, saved searches, and what cannot be searched for."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from orchestration.admin import indexed_search as searching
from orchestration.admin.indexed_search import SearchRefused, search
from orchestration.models import ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.states import PersistState, Status
from orchestration.stats.aggregation import roll_up
from persistence.maintenance.dead_letters import dead_groups
from persistence.testing import persist
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import failed, queued, request_audit
from tests.persistence.reprocessing.test_reprocess import memo
from tests.persistence.results import note
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")


def found(text: str) -> set[str]:
    return set(search(ServiceCallRecord.objects.all(), text, content=True).rows.values_list("pk", flat=True))


def page(client: Client, **params: str) -> tuple[set[str], str]:
    response = client.get(LIST, params)
    assert response.status_code == 200
    return {call.pk for call in response.context["cl"].result_list}, response.content.decode()


def test_every_kind_of_term_finds_its_calls() -> None:
    person = User.objects.create_user("someone@example.com", "pw")
    call = succeeded(
        person,
        input={"ticket": {"id": 42, "tags": ["fire", "roof"]}, "open": True, "note": None},
        context={"simulation_id": "42", "words": "two words"},
    )
    other = failed(error="Connection reset by peer (x=1)", error_code="connection_error")
    dead = succeeded(
        domain_persist_state=PersistState.DEAD, domain_persist_error="KeyError: 'reply'", persisted_at=None
    )
    wanted = {
        call.pk: {call.pk},
        call.pk[-8:]: {call.pk},
        call.pk[-8:].upper().lower(): {call.pk},
        str(call.correlation_id): {call.pk},
        call.correlation_id.hex: {call.pk},
        f"user:{person.pk}": {call.pk},
        f"accounts.user:{person.pk}": {call.pk},
        f"user {person.pk}": {call.pk},
        "input.ticket.id=42": {call.pk},
        'input.ticket.id="42"': set(),
        "input.ticket.tags.1=roof": {call.pk},
        "input.open=true": {call.pk},
        "context.simulation_id=42": {call.pk},
        'context.simulation_id="42"': {call.pk},
        'context.words="two words"': {call.pk},
        "result.structured_data.urgency=3": {call.pk, dead.pk},
        "result.structured_data.urgency=3 input.open=true": {call.pk},
        "connection_error": {other.pk},
        "reset by PEER": {other.pk},
        '"x=1"': {other.pk},
        "KeyError": {dead.pk},
        "nothing of that": set(),
        "'; DROP TABLE service_call_record; --": set(),
    }
    assert {text: found(text) for text in wanted} == wanted


def test_an_object_finds_all_that_has_to_do_with_it() -> None:
    """What a user asked for, what is about the user, and what made a row."""
    person, other = (User.objects.create_user(f"{name}@example.com", "pw") for name in ("ada", "bob"))
    asked, about = queued(requested_by=person), succeeded(person)
    queued(requested_by=other)
    made = memo("hello")
    persist(made)
    changed = note(lambda handler, response: Message.objects.update(content="again") and None)
    persist(changed)
    row = Message.objects.get()
    for text in (f"user:{person.pk}", f"accounts.user:{person.pk}", f"user {person.pk}", "user:ada@example.com"):
        assert found(text) == {asked.pk, about.pk}, text
    assert found(f"seedapp.message:{row.pk}") == {made.pk, changed.pk}
    assert found(f"seedapp.message:{row.pk} user:{person.pk}") == set()
    assert found("user:nobody@example.com") == set()
    assert found(f"user:{person.pk + 10**20}") == set()


@pytest.mark.parametrize(
    ("text", "looked"),
    [
        ("user:999", "Looked for calls asked for by user 999, about it, or whose results made or changed it."),
        ("seedapp.message:9", "Looked for calls about message 9, or whose results made or changed it."),
        ("00000000-0000-0000-0000-000000000001", "Looked for calls with this id or correlation id."),
        ("abc123", "Looked for calls whose id starts or ends with abc123."),
        ("no_such_code", "Looked for calls with this error code, or this text in an error."),
        ("input.a=1 user:9", "with this value in input and asked for by user 9"),
    ],
)
def test_a_search_that_finds_nothing_says_where_it_looked(root: Client, text: str, looked: str) -> None:
    failed()
    calls, html = page(root, q=text)
    assert calls == set()
    assert looked in html


@pytest.mark.parametrize("text", ["result.structured_data.urgency=3", "input.a=1", "context.a=1", "some text", '"x=1"'])
def test_what_one_may_not_read_cannot_be_searched_for(text: str) -> None:
    viewer = User.objects.create_user("viewer@example.com", "pw", is_staff=True, role="staff")
    viewer.user_permissions.add(Permission.objects.get(codename="view_servicecallrecord"))
    succeeded(input={"a": 1}, context={"a": 1}), failed(error="some text x=1", error_code="boom")
    client = Client()
    client.force_login(viewer)
    calls, html = page(client, q=text)
    assert calls == set()
    assert "needs the permission to read content" in html
    assert page(client, q="boom")[0] != set(), "a code is not content"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x.y=1", "input, context or result"),
        ("input=1", "input, context or result"),
        ("input..a=1", "input, context or result"),
        ("input.a={}", "one value at a time"),
        ('"open', "not closed"),
        ("nonsense:7", "no kind of object called “nonsense”"),
    ],
)
def test_what_cannot_be_searched_for_is_told_and_finds_nothing(root: Client, text: str, told: str) -> None:
    failed()
    with pytest.raises(SearchRefused, match=told):
        found(text)
    calls, html = page(root, q=text)
    assert calls == set()
    assert "Nothing matches" in html


def test_search_without_an_index_covers_the_newest_calls(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says so."""
    monkeypatch.setattr(searching, "WINDOW", 2)
    now = timezone.now()
    calls = [failed(error="it broke", created_at=now - timedelta(days=age)) for age in range(5)]
    listed, html = page(root, q="it broke")
    assert listed == {calls[0].pk, calls[1].pk, calls[2].pk}
    assert "Looked through the newest 2 calls" in html
    before = calls[3].created_at
    listed, _ = page(root, q="it broke", created_at_to_0=f"{before:%Y-%m-%d}", created_at_to_1=f"{before:%H:%M:%S}")
    assert calls[4].pk in listed
    assert calls[0].pk not in listed


def test_results_are_looked_through_in_fewer_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "WINDOW_OF_RESULTS", 1)
    now = timezone.now()
    newest, second, third = (
        failed(result={"a": 1}, input={"a": 1}, created_at=now - timedelta(days=age)) for age in range(3)
    )
    assert found("input.a=1") == {newest.pk, second.pk, third.pk}
    assert found("result.a=1") == {newest.pk, second.pk}
    assert "newest 1 calls" in search(ServiceCallRecord.objects.all(), "input.a=1 result.a=1", content=True).note


def test_what_was_left_out_is_all_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One note does not replace another."""
    monkeypatch.setattr(searching, "WINDOW", 1)
    monkeypatch.setattr(searching, "MOST_FOUND", 1)
    monkeypatch.setattr(searching, "_finders", [lambda kinds, key: [first.pk]])
    first, _ = queued(error="it broke"), queued(error="it broke")
    person = User.objects.create_user("ada@example.com", "pw")
    note = search(ServiceCallRecord.objects.all(), f'user:{person.pk} "it broke"', content=True).note
    assert "only the newest 1 are listed" in note
    assert "Looked through the newest 1 calls" in note


def test_ids_that_end_so_are_found_beside_those_that_begin_so(monkeypatch: pytest.MonkeyPatch) -> None:
    begins = queued(pk="019abcde-0000-7000-8000-000000000001")
    ends = queued(pk="019fffff-0000-7000-8000-0000019abcde")
    assert found("019abcde") == {begins.pk, ends.pk}
    assert search(ServiceCallRecord.objects.all(), "019abcde", content=False).note == ""
    monkeypatch.setattr(searching, "WINDOW", 1)
    for _ in range(2):
        queued()
    result = search(ServiceCallRecord.objects.all(), "019abcde", content=False)
    assert [call.pk for call in result.rows] == [begins.pk]
    assert "Looked through the newest 1 calls" in result.note


def test_saved_searches(root: Client) -> None:
    now = timezone.now()
    today = failed(cost=Decimal("0.7"), started_at=now)
    failed(finished_at=now - timedelta(days=2))
    dead = queued(
        status=Status.SUCCEEDED,
        finished_at=now,
        domain_persist_state=PersistState.DEAD,
        domain_persist_error="KeyError: 7",
    )
    lost = queued()
    request_audit(lost, outcome=Outcome.UNKNOWN).save()
    roll_up()
    wanted = {"failed_today": today, "dead": dead, "unknown_attempts": lost, "expensive": today}
    for name, call in wanted.items():
        assert page(root, saved=name)[0] == {call.pk}, name
    (group,) = dead_groups()
    assert page(root, dead=group.fingerprint)[0] == {dead.pk}
    listed, html = page(root, dead="0123456789abcdef")
    assert listed == set()
    assert "No result fails with the fingerprint" in html
    assert page(root, saved="nonsense")[1].count("Failed today") >= 1


def test_the_expensive_calls_are_sorted_by_cost(root: Client) -> None:
    now = timezone.now()
    calls = [
        failed(cost=Decimal(cost), model=f"m{number}", started_at=now) for number, cost in enumerate(("1", "3", "2"))
    ]
    roll_up()
    listed = root.get(LIST, {"saved": "expensive"}).context["cl"].result_list
    assert [call.pk for call in listed] == [calls[1].pk, calls[2].pk, calls[0].pk]


def test_a_moment_that_is_none_is_reported(root: Client) -> None:
    failed()
    listed, html = page(root, created_at_from_0="tomorrow")
    assert listed == set()
    assert "is not a day and time" in html


@pytest.mark.parametrize("text", ["0123456789", "timeout", "a:7", "input.a=1", "broken pipe"])
def test_no_search_scans_the_calls_without_an_index(text: str) -> None:
    User.objects.create_user("someone@example.com", "pw")
    failed()
    with CaptureQueriesContext(connection) as captured:
        try:
            list(search(ServiceCallRecord.objects.order_by("-created_at", "-id"), text, content=True).rows[:50])
        except SearchRefused:
            return
    statements = [query["sql"] for query in captured if "service_call_record" in query["sql"]]
    assert statements
    if connection.vendor != "sqlite":
        return  # the planner of PostgreSQL scans tables of one row, rightly
    with connection.cursor() as cursor:
        for sql in statements:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(str(row[3]) for row in cursor.fetchall())
            assert "USING INDEX" in plan or "USING COVERING INDEX" in plan or "PRIMARY KEY" in plan, (sql, plan)


@pytest.mark.parametrize(
    ("params", "index"),
    [
        *(({"status__exact": state}, f"call_list_{state}") for state in ("queued", "running", "failed", "cancelled")),
        *(({"domain_persist_state__exact": state}, f"call_list_{state}") for state in ("pending", "skipped", "dead")),
        ({"model": "m"}, "call_model_newest"),
        ({"error_code": "timeout"}, "call_error_newest"),
        ({}, "call_newest"),
    ],
)
def test_each_filter_has_its_index(root: Client, params: dict[str, Any], index: str) -> None:
    if connection.vendor != "sqlite":
        return
    with CaptureQueriesContext(connection) as captured:
        page(root, **params)
    (sql,) = [query["sql"] for query in captured if 'FROM "service_call_record"' in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        assert index in " ".join(str(row[3]) for row in cursor.fetchall())
