"""Deployments, pauses and restarts on the charts of the overview."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from orchestration.clock import database_now
from orchestration.models.engine_events import EngineEvent, EventKind
from orchestration.stats.figures import Period, history
from persistence.admin.overview_marks import as_json, marks

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_events_stand_at_their_point_of_the_period(root: Client) -> None:
    now = database_now()
    for kind, about, ago in (
        (EventKind.PAUSE, "service a", timedelta(minutes=7)),
        (EventKind.DEPLOYMENT, "Triage", timedelta(0)),
        (EventKind.KILLED, "node-1: process 7", timedelta(days=2)),
        (EventKind.CIRCUIT_OPENED, "default: timeout", timedelta(days=3)),
    ):
        EngineEvent.objects.create(kind=kind, about=about, at=now - ago)
    found = marks(history(Period.HOUR, now=now))
    assert json.loads(as_json(found)) == [
        [59, "deployment", "Deployed: Triage"],
        [52, "pause", "Paused: service a"],
    ]
    assert len(marks(history(Period.WEEK, now=now))) == 4
    page = root.get(reverse("admin:persistence_overview"), {"period": "7d"}).content.decode()
    assert "Worker killed" in page
    assert "Circuit opened" in page
    assert "node-1: process 7" in page
