"""What the doctor finds about this machine and what every process needs."""

from __future__ import annotations

from collections import namedtuple

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from orchestration.doctor import machine
from orchestration.monitoring import health
from tests.orchestration.doctor.findings import findings

pytestmark = pytest.mark.django_db
Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("free", "finding"),
    [(1, "orchestration.E208"), (5, "orchestration.W208"), (50, None)],
    ids=["none", "little", "ok"],
)
def test_space_is_counted(monkeypatch, free, finding):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda place: Usage(100, 100 - free, free))
    found = {name for name in findings() if name.endswith("208")}
    assert found == ({finding} if finding else set())


def test_a_folder_that_takes_no_file_is_named(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": "/proc/run"}
    found = findings()["orchestration.E207"]
    assert "RUN_DIR (/proc)" in found.message


def test_missing_and_newer_migrations_are_found():
    health._migrated.clear()
    MigrationRecorder.Migration.objects.filter(app="persistence").delete()
    MigrationRecorder(connection).record_applied("persistence", "0999_of_tomorrow")
    found = findings()
    assert "migrate" in found["orchestration.E204"].mend
    assert "persistence.0999_of_tomorrow" in found["orchestration.W204"].message


def test_a_cache_that_forgets_is_found(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert "CACHES" in findings()["orchestration.E206"].mend


def test_a_client_without_a_key_is_found(settings, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "openai", "api_key_envvar": "NO_SUCH_KEY"}}
    assert "NO_SUCH_KEY" in findings()["orchestration.E004"].message
    assert [line.msg for line in machine.keys()][-1] == "default: has none"


def test_no_key_is_shown(settings, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-secret-of-somebody")
    settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "openai", "api_key_envvar": "MY_KEY"}}
    (line,) = list(machine.keys())
    assert (line.msg, "orchestration.E004" in findings()) == ("default: has one", False)
    assert "sk-secret" not in str(findings())


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres_only
def test_a_database_that_takes_no_writes_is_found():
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        assert "read-only" in findings()["orchestration.E203"].mend
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")


@pytest.mark.postgres_only
def test_connections_are_counted(monkeypatch):
    monkeypatch.setattr(machine, "MANY_CONNECTIONS", 0.0)
    assert "pooler" in findings()["orchestration.W202"].mend
