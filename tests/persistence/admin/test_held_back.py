"""The page of what holds calls back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orchestration.admin.call_actions import call_url
from orchestration.clock import database_now
from orchestration.models import Pause
from orchestration.models.states import OrderingPolicy
from tests.orchestration.factories import SERVICE, failed, queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
HELD = reverse("admin:persistence_held")


def html(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_each_hold_leads_to_its_calls_and_its_remedy(root: Client) -> None:
    Pause.objects.create(kind="service", name=SERVICE, reason="for <the> night")
    first = failed(ordering_key="k", sequence=1, ordering_policy=OrderingPolicy.HOLD)
    queued(
        ordering_key="k", sequence=2, ordering_policy=OrderingPolicy.HOLD, due_at=database_now() + timedelta(hours=2)
    )
    page = html(root.get(HELD))
    assert "What holds calls back now" in page
    assert "for &lt;the&gt; night" in page
    assert f"?status__exact=queued&amp;service={SERVICE}" in page
    assert reverse("admin:orchestration_pause_changelist") in page
    assert call_url(first.pk) in page
    assert "in 1 h" in page


def test_it_says_when_nothing_is_held(root: Client) -> None:
    queued()
    page = html(root.get(HELD))
    assert "Nothing holds calls back" in page
    assert "1 call queued" in page


def test_it_is_for_those_who_may_see_calls(staff: Callable[..., Client]) -> None:
    assert staff("view_persistedchunk").get(HELD).status_code == 403
    assert staff("view_servicecallrecord").get(HELD).status_code == 200
