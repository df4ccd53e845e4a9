"""Two attempts of a call beside each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from orchestration.admin.attempt_comparison import comparison_url
from orchestration.admin.call_actions import call_url
from tests.orchestration.admin.rows import HOSTILE, succeeded
from tests.orchestration.factories import queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def html(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_what_changed_from_one_attempt_to_another_is_shown(root: Client) -> None:
    call = succeeded(prompt=HOSTILE)
    first, second, repair = call.request_audits.order_by("id")
    page = html(root.get(comparison_url(call.pk), {"left": first.pk, "right": second.pk}))
    assert "<td>failed</td><td><strong>answered</strong></td>" in page
    assert "<td>rate_limited</td><td><strong>invalid_output</strong></td>" in page
    assert "<ins>You triage.</ins>" in page
    assert "<del>The ticket: it burns</del>" in page
    assert HOSTILE not in page
    assert 'Parameters</h2> <p class="orca-muted">The same.</p>' in page
    page = html(root.get(comparison_url(call.pk)))
    assert f'<option value="{first.pk}" selected>Attempt 1</option>' in page
    assert f'<option value="{repair.pk}" selected>Repair of attempt 2</option>' in page
    assert LogEntry.objects.filter(object_id=call.pk).exists(), "looking at content is noted"


def test_the_page_of_a_call_leads_to_it_where_there_are_two(root: Client) -> None:
    call, single = succeeded(), queued()
    assert comparison_url(call.pk) in html(root.get(call_url(call.pk)))
    assert comparison_url(single.pk) not in html(root.get(call_url(single.pk)))
    assert "it has 0 attempts" in html(root.get(comparison_url(single.pk)))


def test_content_stays_behind_its_permission(staff: Callable[..., Client]) -> None:
    call = succeeded()
    page = html(staff("view_servicecallrecord").get(comparison_url(call.pk)))
    assert "rate_limited" in page
    assert "You triage." not in page
    assert staff("view_persistedchunk").get(comparison_url(call.pk)).status_code == 404


def test_a_request_of_another_call_is_not_shown(root: Client) -> None:
    call, other = succeeded(), succeeded(prompt="of somebody else")
    page = html(root.get(comparison_url(call.pk), {"left": other.request_audits.first().pk, "right": "x"}))
    assert "of somebody else" not in page
