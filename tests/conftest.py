"""Fixtures of the whole suite."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.environment import POSTGRES_WANTED
from tests.leftovers import RUN_VARIABLE, leftovers

CHROMIUM = "chromium"
MEASURED = ("tests/orchestration/", "tests/persistence/")
"""The tests whose processes are measured for coverage, too. It costs each process a second to start."""
PLATFORM = tuple(
    f"tests/apps/{name}/" for name in ("accounts", "chatlab", "consensus", "simulation", "trainerlab", "training")
)
"""Tests that are not measured at all: it would take two thirds more time, and add one percent to what others reach."""
MEASURES = "COVERAGE_PROCESS_CONFIG"
"""What coverage tells the processes that are started, with `patch = ["subprocess"]`."""
MEASURES_KEY = pytest.StashKey[str | None]()
END_OTHER_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need what this machine, or this run, does not have are skipped with the reason."""
    on_postgres = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
    for item in items:
        needs_postgres = item.get_closest_marker("postgres_only") is not None or POSTGRES_WANTED
        if needs_postgres and not on_postgres:
            item.add_marker(pytest.mark.skip(reason=_why_no_postgres()))
        if item.get_closest_marker("browser") is not None and shutil.which(CHROMIUM) is None:
            item.add_marker(pytest.mark.skip(reason="no chromium on this machine: apt-get install chromium"))
        if item.nodeid.startswith(PLATFORM):
            item.add_marker("no_cover")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture, for fixtures start processes, too."""
    measures = item.config.stash.setdefault(MEASURES_KEY, os.environ.get(MEASURES))
    if measures is not None and item.nodeid.startswith(MEASURED):
        os.environ[MEASURES] = measures
    else:
        os.environ.pop(MEASURES, None)


def _why_no_postgres() -> str:
    if not POSTGRES_WANTED:
        return "needs PostgreSQL: set DATABASE_URL, or run `make test`, whose second run looks for one"
    return "no PostgreSQL answers at DATABASE_URL or 127.0.0.1:5432: start one, or set DATABASE_URL"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database, and at the end no foreign session in it: a server notices late that a process was killed,
    and until then the database cannot be dropped."""
    yield
    if connection.vendor != "postgresql":
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for _ in range(50):
            cursor.execute(END_OTHER_SESSIONS)
            if not cursor.fetchall():
                return
            time.sleep(0.1)


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Fails the run when a test leaves a process behind, orphans included."""
    os.environ[RUN_VARIABLE] = uuid.uuid4().hex
    yield
    left = leftovers(os.environ[RUN_VARIABLE])
    assert not left, f"tests left processes behind: {left}"
