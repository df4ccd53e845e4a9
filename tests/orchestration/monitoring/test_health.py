"""Liveness and readiness."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from orchestration.checks.database import check_schema
from orchestration.models import WorkerNode
from orchestration.monitoring import health
from tests.orchestration.factories import queued

FIRST_QUERIES, NEXT_QUERIES = 10, 4


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    health._migrated.clear()
    health._complete.clear()


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
@pytest.mark.postgres
def test_the_first_visit_asks_little_and_the_next_less(
    client: Client, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    """A probe has a second: the tables are compared in one query, however many there are."""
    for most in (FIRST_QUERIES, NEXT_QUERIES):
        with django_assert_max_num_queries(most):
            assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_not_ready_without_components(client: Client, settings: Any) -> None:
    """Wrong settings, or a module that cannot be imported: no call could be submitted."""
    settings.ORCA_ENTRYPOINT = "config.nowhere:get_orca"
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"ready": False, "components": "manage.py check"})


@pytest.mark.django_db
def test_not_ready_while_a_migration_is_missing(client: Client) -> None:
    deleted, _ = MigrationRecorder.Migration.objects.filter(app="persistence").delete()
    response = client.get("/readyz")
    assert (response.status_code, response.json()["unapplied_migrations"]) == (503, deleted)


@pytest.mark.django_db
@pytest.mark.postgres
def test_not_ready_when_a_migrated_database_lacks_a_column(client: Client) -> None:
    """It was made by an older state whose migrations were rewritten: nothing else would say so before a query fails."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE worker_node DROP COLUMN restarts")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["schema"] == "manage.py check --database default"
    (error,) = check_schema(databases=["default"])
    assert (error.id, "worker_node.restarts" in error.msg) == ("orchestration.E131", True)


@pytest.mark.django_db
@pytest.mark.postgres
def test_a_database_that_is_behind_is_compared_with_what_it_has() -> None:
    """Before `migrate`, the columns of migrations to come are not missing."""
    assert check_schema(databases=["default"]) == []
    MigrationRecorder.Migration.objects.filter(app="persistence").exclude(name="0001_initial").delete()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE worker_node DROP COLUMN restarts")
    (error,) = check_schema(databases=["default"])
    assert "lacks worker_node.restarts:" in error.msg
