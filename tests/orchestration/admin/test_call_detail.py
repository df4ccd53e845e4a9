"""The page of a call: a head that stays, what went wrong, and the rest in tabs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from orchestration.access_log import LOOKED
from orchestration.admin.call_actions import call_url
from orchestration.models.audits import Outcome
from orchestration.providers.errors import provider_error
from orchestration.theme.words import NOTHING
from tests.orchestration.admin.rows import answer, succeeded
from tests.orchestration.factories import failed, queued, request_audit

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
SECRET = "Mrs Jones"
REFUSED = {"code": "context_length_exceeded", "type": "invalid_request_error", "message": f"{SECRET} is too long"}


def html(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def refused() -> Any:
    error = provider_error(400, REFUSED)
    call = failed(error_code=error.code, error=str(error), service_identity="services.engineapp.default.Triage")
    audit = request_audit(call, outcome=Outcome.FAILED)
    audit.save()
    answer(audit, error_code=error.code, error=str(error), raw=REFUSED, http_status=400)
    return call


def test_the_page_leads_with_what_went_wrong_and_what_helps(root: Client) -> None:
    succeeded()
    page = html(root.get(call_url(refused().pk)))
    leads, tabs = page.split('class="orca-tabs"')
    assert "The provider refused the request: HTTP 400, context_length_exceeded" in leads
    assert "400 Bad Request" in leads
    assert re.search(r"\d+ characters; those answered recently: \d+ to \d+", leads)
    assert "What helps:" in leads
    assert reverse("admin:orchestration_prompttext_changelist") in leads
    assert leads.index("What went wrong") < leads.index("At a glance")
    assert SECRET not in leads
    assert SECRET in tabs, "the raw answer, to those who may read it"


def test_the_cause_needs_no_permission_to_read_content(staff: Callable[..., Client]) -> None:
    call = refused()
    failed_otherwise = failed(error_code="out_of_paper", error=SECRET)
    client = staff("view_servicecallrecord")
    page = html(client.get(call_url(call.pk)))
    assert "context_length_exceeded" in page
    assert SECRET not in page
    page = html(client.get(call_url(failed_otherwise.pk)))
    assert "Its service raised an error of its own" in page
    assert SECRET not in page


def test_a_call_that_is_tried_again_says_why(root: Client) -> None:
    waits = queued(error_code="timeout", error="No answer in time.", failures=1, attempts=1)
    assert "Why the last attempt failed" in html(root.get(call_url(waits.pk)))
    assert "went wrong" not in html(root.get(call_url(succeeded().pk)))


def test_the_head_has_states_actions_and_the_id_to_copy(root: Client) -> None:
    call = refused()
    page = html(root.get(call_url(call.pk)))
    head = page[page.index('class="orca-head"') : page.index("</header>", page.index('class="orca-head"'))]
    for text in ("failed", "Retry", f'data-copy="{call.pk}"', f"…{call.pk[-8:]}"):
        assert text in head, text
    path = page[page.index("<h1") : page.index("</h1>")]
    assert f"…{call.pk[-8:]}" in path
    assert f"Triage {call.pk}" not in path


def test_a_call_without_a_result_has_no_state_of_persistence(root: Client) -> None:
    """Neither in its head nor in its row of the list: "None" beside "Failed" says nothing."""
    call = failed()
    badges = root.get(call_url(call.pk)).context["head"].badges
    assert [(badge.label, badge.value) for badge in badges] == [("Status", "failed")]
    rows = root.get(reverse("admin:orchestration_servicecallrecord_changelist")).content.decode()
    assert ">none<" not in rows
    cell = rows.partition('data-label="Persisted">')[2].partition("<")[0]
    assert cell == NOTHING


def test_each_tab_has_its_place_and_says_when_it_is_empty(root: Client) -> None:
    call = succeeded(User.objects.get())
    page = html(root.get(call_url(call.pk)))
    tabs = re.findall(r'<a href="#(\w+)">([^<]+)</a>', page)
    assert tabs == [
        ("timeline", "Timeline"),
        ("attempts", "Attempts (3)"),
        ("rows", "Rows (1)"),
        ("reruns", "Reruns"),
        ("raw", "Raw"),
        ("history", "History"),
    ]
    for name, _ in tabs:
        assert f'<div id="{name}" class="orca-panel">' in page
    assert "It was never rerun, and it is not a rerun of another call." in page
    assert 'id="attempt-2-repair"' in page


def test_long_json_is_folded(root: Client) -> None:
    call = succeeded(result={"structured_data": {"reason": "x" * 5000}}, input={"a": 1})
    page = html(root.get(call_url(call.pk)))
    raw = page[page.index('<div id="raw"') :]
    assert re.search(r'<details class="orca-json"> <summary>Result <span class="orca-muted">\(\d+ lines\)', raw)


def test_it_costs_at_most_twenty_queries(root: Client, django_assert_max_num_queries: Any) -> None:
    call = succeeded(User.objects.get())
    queued(parent=call)
    root.get(call_url(call.pk))
    with django_assert_max_num_queries(20):
        root.get(call_url(call.pk))


def test_the_history_counts_all_and_lists_the_newest(root: Client) -> None:
    """What people did stands apart from how often they looked at the content."""
    call, user = failed(), User.objects.get()
    kind = ContentType.objects.get_for_model(call)
    for number, said in [*enumerate([f"{LOOKED}."] * 61), *enumerate(["Retried."] * 51)]:
        LogEntry.objects.create(
            user=user, content_type=kind, object_id=call.pk, action_flag=CHANGE, change_message=f"{said} {number}"
        )
    page = html(root.get(call_url(call.pk)))
    assert page.count("Retried. ") == 50
    assert "Retried. 50<" in page
    assert "Retried. 0<" not in page
    assert "The newest 50 of 51 are listed." in page
    assert "Its content was looked at 62 times" in page, "and this look"


def test_it_leads_to_similar_calls(root: Client) -> None:
    person = User.objects.get()
    calls = [succeeded(person, error_code="timeout"), succeeded(person, error_code="timeout"), failed()]
    page = html(root.get(call_url(calls[0].pk)))
    found = re.findall(r'href="([^"]+(?:error_code=timeout|q=accounts[^"]+))"', page)
    assert len(found) == 2
    for address in found:
        listed = root.get(address.replace("&amp;", "&")).context["cl"].result_list
        assert {call.pk for call in calls[:2]} <= {call.pk for call in listed}
