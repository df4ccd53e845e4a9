"""Liveness and readiness."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from config import health
from orchestration.models import WorkerNode
from tests.orchestration.factories import queued


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    health._migrated.clear()


def test_a_living_process_needs_no_database_to_say_so(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_ready_tells_the_workers_seen_and_the_oldest_due_call(client: Client) -> None:
    now = timezone.now()
    WorkerNode.objects.create(name="a", beat_at=now)
    WorkerNode.objects.create(name="late", beat_at=now - timedelta(minutes=5))
    WorkerNode.objects.create(name="stopping", beat_at=now, stopping=True)
    queued(due_at=now - timedelta(seconds=40))
    report = client.get("/readyz").json()
    assert (report["ready"], report["workers_seen"]) == (True, 1)
    assert report["oldest_due_seconds"] >= 40


@pytest.mark.django_db
def test_not_ready_while_a_migration_is_missing(client: Client) -> None:
    MigrationRecorder.Migration.objects.filter(app="persistence").delete()
    response = client.get("/readyz")
    assert (response.status_code, response.json()["unapplied_migrations"]) == (503, 1)
