"""What everybody may do only so often: every change over every API, signing in, and letters."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django_q.models import OrmQ

from apps.accounts import throttle
from apps.accounts.api.scopes import needed_by
from apps.accounts.client_ip import client_address
from apps.accounts.models import ApiKey, User
from apps.accounts.models.invitations import Invitation
from apps.accounts.models.roles import Scope, UserRole
from apps.accounts.services import sign_in as signing_in
from apps.accounts.tasks import send_reset
from apps.accounts.throttle import ASKING, CALLS, CLAIMS, INVITATION_EMAILS, WINDOWS, Window
from apps.simulation.models import Simulation
from apps.trainerlab.services.scenarios import assign
from config.api import api
from config.api_v1 import v1
from orchestration.django_q.allowed_tasks import read_message
from tests.apps.consensus.reviewing import new_run
from tests.apps.people import PASSWORD, Caller, person
from tests.apps.training.visits import scenario_of
from tests.descriptions import documents
from tests.matrix.endpoints import tables

pytestmark = pytest.mark.django_db
READING = {"get", "head", "options"}
STRANGERS: dict[str, dict[str, str]] = {
    "/api/v1/auth/login": {"email": "a@example.com", "password": "x"},
    "/api/v1/auth/claim": {"token": "x" * 43, "password": "quiet-words-9"},
    "/api/v1/auth/password-reset": {"email": "a@example.com"},
    "/api/v1/auth/password-reset/confirm": {"uid": "MQ", "token": "a-b", "password": "quiet-words-9"},
}
"""What strangers may change, with bodies that are valid."""
UUID = "0190a000-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """No window ends while a test counts, however slow its machine is."""
    monkeypatch.setattr(throttle, "_seconds", lambda: 1_800_000_000)


def writes() -> list[tuple[str, str]]:
    """Every operation that changes something, as its API describes it."""
    return [
        (method, path)
        for document in documents()
        for path, methods in document["paths"].items()
        for method in methods
        if method not in READING
    ]


NUMBERED = {
    "{id}",
    "{object_id}",
    "{content_type_id}",
    "{bulk_run_id}",
    "{hold_id}",
    "{key_id}",
    "{invitation_id}",
    "{question_id}",
    "{message_id}",
    "{assignment_id}",
    "{note_id}",
}


def filled(path: str) -> str:
    """With keys that have the form of what they stand for."""
    parts = ("1" if part in NUMBERED else UUID if part.startswith("{") else part for part in path.split("/"))
    return "/".join(parts)


def test_every_write_of_every_api_is_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    user = User.objects.create_superuser("root@example.com", "pw")
    browser = Client()
    browser.force_login(user)
    monkeypatch.setattr(Window, "hit", lambda *_: 7)
    unlimited = {}
    for method, path in writes():
        body = STRANGERS.get(path, {})
        answer = browser.generic(method.upper(), filled(path), str(body).replace("'", '"'), "application/json")
        problem = answer.json() if answer.content else {}
        if (answer.status_code, answer.headers.get("Retry-After"), problem.get("details")) != (
            429,
            "7",
            {"retry_after": 7},
        ):
            unlimited[f"{method.upper()} {path}"] = answer.status_code
    assert len(writes()) > 40
    assert not unlimited, f"These have no throttle, see orchestration.api.permissions.needs: {unlimited}"


def test_every_throttle_that_is_declared_exists() -> None:
    for served in (api, v1):
        for router in served._get_bound_routers():
            for path in router.path_operations.values():
                assert {needed_by(operation).counts for operation in path.operations} <= set(WINDOWS)


def test_a_full_review_counts_as_the_six_calls_that_it_makes() -> None:
    caller = Client(headers={"Authorization": f"Bearer {ApiKey.issue(person(), 'k', [Scope.RUNS_WRITE])[1]}"})
    statuses = [
        caller.post("/v1/full-review", {"idea": f"Idea {number}"}, "application/json").status_code
        for number in range(ASKING.limit // 6 + 1)
    ]
    assert statuses == [202] * (ASKING.limit // 6) + [429]


def test_a_batch_counts_as_its_calls_and_a_refused_one_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WINDOWS, "calls", (Window(name="few", limit=5, seconds=10_000_000), "service calls"))
    root = User.objects.create_superuser("root@example.com", "pw")
    caller = Client(headers={"Authorization": f"Bearer {ApiKey.issue(root, 'k', list(Scope))[1]}"})

    def sent(count: int) -> Any:
        items = [{"service": "chatlab.default.NoSuch"}] * count
        return caller.post("/api/v1/service-calls/batch", {"items": items}, "application/json")

    assert [sent(count).status_code for count in (3, 3, 6, 2, 1)] == [422, 429, 429, 422, 429]
    assert "this one counts as 3" in sent(3).json()["message"]
    assert CALLS.limit >= 10_000, "the largest batch fits"


@pytest.mark.postgres
def test_what_does_not_fit_into_a_window_costs_nothing() -> None:
    window = Window(name="costs", limit=10, seconds=10_000_000)
    waits = [bool(window.costing(cost).hit("one")) for cost in (6, 6, 11, 4, 1)]
    assert waits == [False, True, True, False, True]


def test_guessing_from_many_addresses_is_stopped_by_account(client: Client) -> None:
    email = person().email
    for number in range(signing_in.ACCOUNTS.limit):
        answer = client.post(
            "/api/v1/auth/login",
            {"email": email, "password": "guess"},
            "application/json",
            REMOTE_ADDR=f"10.1.{number}.1",
        )
        assert answer.status_code == 401
    good = {"email": f" {email.upper()} ".strip(), "password": PASSWORD}
    stopped = client.post("/api/v1/auth/login", good, "application/json", REMOTE_ADDR="10.9.9.9")
    assert stopped.status_code == 429
    assert int(stopped.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("seen", "counted"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:443", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:207", "192.0.2.7"),
        ("192.0.2.7:51234", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_address_is_counted_in_one_form(rf: RequestFactory, settings: Any, seen: str, counted: str) -> None:
    settings.BEHIND_PROXY = True
    assert client_address(rf.get("/", REMOTE_ADDR=seen)) == counted
    assert client_address(rf.get("/", headers={"X-Forwarded-For": f"6.6.6.6, {seen}"})) == counted


def test_asking_for_a_letter_is_the_same_work_for_everybody(django_assert_num_queries: Any) -> None:
    known, gone = person(), person(is_active=False)
    Caller().post("/auth/password-reset", {"email": "first@example.com"})
    work = []
    for email in (known.email, gone.email, "nobody@example.com"):
        OrmQ.objects.all().delete()
        with django_assert_num_queries(6, exact=False):
            assert Caller().post("/auth/password-reset", {"email": email}).status_code == 202
        assert mail.outbox == [], "no letter is written while somebody waits"
        work.append([read_message(row.payload) for row in OrmQ.objects.all()])
    assert [[task["func"] for task in tasks] for tasks in work] == [["apps.accounts.tasks.send_reset"]] * 3
    assert [task["args"] for (task,) in work] == [(key, "testserver", False) for key in (known.pk, 0, 0)]


def test_a_letter_is_written_to_who_is_there_when_it_is_sent(settings: Any) -> None:
    settings.ALLOWED_HOSTS = [".example.com"]
    user = person()
    assert send_reset(user.pk, "orca.example.com", True) is True
    assert "https://orca.example.com/accounts/" in mail.outbox[0].body
    assert not send_reset(0, "orca.example.com", True)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert not send_reset(user.pk, "orca.example.com", True)
    assert len(mail.outbox) == 1


ANSWERED_BEFORE = ("/admin/login/", "/admin/logout/", "/accounts/")
"""Strangers come here, and are counted by their address where there is something to write."""


def test_every_write_of_every_page_is_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the console, of the training pages and of the consensus engine's."""
    browser = Client(raise_request_exception=False)
    browser.force_login(User.objects.create_superuser("root@example.com", "pw"))
    monkeypatch.setattr(Window, "hit", lambda *_: 7)
    found = [endpoint for name, endpoints in tables().items() if name != "rest" for endpoint in endpoints]
    asked = {filled(endpoint.route) for endpoint in found if endpoint.method == "POST"}
    asked = {path for path in asked if path != "/" and not path.startswith(ANSWERED_BEFORE)}
    unlimited = {}
    for path in asked:
        answer = browser.post(path)
        if (answer.status_code, answer.headers.get("Retry-After")) not in {(429, "7"), (405, None)}:
            unlimited[path] = answer.status_code
    assert len(asked) > 150
    assert set(unlimited) <= READ_ONLY, unlimited


READ_ONLY = {"/healthz", "/readyz", "/metrics", "/training/", "/consensus/"}
"""These take no POST, or do with it what they do with a GET."""


def test_starting_a_session_counts_as_a_request_to_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    author, trainee = person(UserRole.INSTRUCTOR), person()
    scenario = scenario_of(author)
    assignment = assign(scenario, trainee, author)
    monkeypatch.setitem(WINDOWS, "asking", (Window(name="few", limit=0, seconds=10_000_000), "requests"))
    browser = Client()
    browser.force_login(trainee)
    for path in (f"/training/scenarios/{scenario.uuid}/start", f"/training/assignments/{assignment.pk}/start"):
        page = browser.post(path, follow=True)
        assert "At most 0 requests" in page.content.decode()
    assert not Simulation.objects.exists()


def test_a_review_in_the_console_counts_for_its_user_only() -> None:
    """Retrying runs costs operators what it costs their owners."""
    root = User.objects.create_superuser("root@example.com", "pw")
    browser = Client()
    browser.force_login(root)
    runs = [new_run(person()) for _ in range(ASKING.limit // 6 + 1)]
    for run in runs:
        assert run.fail("X", {})
    page = browser.post(
        "/admin/consensus/run/",
        {"action": "retry_selected", "_selected_action": [str(run.pk) for run in runs]},
        follow=True,
    )
    assert page.content.decode().count("Retried:") == ASKING.limit // 6
    assert "this one counts as 6" in page.content.decode()


def test_letters_from_the_console_are_counted_like_others() -> None:
    browser = Client()
    browser.force_login(User.objects.create_superuser("root@example.com", "pw"))
    for number in range(INVITATION_EMAILS.limit + 1):
        fields = {"email": f"guest{number}@example.com", "role": "trainee"}
        browser.post("/admin/accounts/invitation/add/", fields)
    assert Invitation.objects.count() == INVITATION_EMAILS.limit == len(mail.outbox)


def test_a_link_that_is_none_makes_no_session() -> None:
    for number in range(CLAIMS.limit + 2):
        answer = Client().get(f"/accounts/claim/{number}{'x' * 40}")
        assert answer.status_code == (404 if number < CLAIMS.limit else 429)
    assert not Session.objects.exists()


@pytest.mark.parametrize("host", ["evil.example", "", "testserver.evil.example", "testserver@evil.example"])
def test_a_letter_leads_nowhere_else(host: str) -> None:
    """Whoever writes a schedule or a message chooses what stands in it."""
    assert send_reset(person().pk, host, True) is False
    assert mail.outbox == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres_only
def test_counting_changes_no_other_commit() -> None:
    """A hit of its own does not wait for the disk; one within a transaction leaves that as durable as it was."""
    window = Window(name="durable", limit=3, seconds=60)
    assert window.hit("a") == 0
    assert _durability() == "on"
    with transaction.atomic():
        assert window.hit("a") == 0
        assert _durability() == "on"
    assert window.hit("a") == 0
    assert window.hit("a") > 0


def _durability() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return str(cursor.fetchone()[0])
