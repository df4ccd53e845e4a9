"""Fixtures of the whole suite."""

from __future__ import annotations

import gc
import os
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker

from orchestration.engine.leases import outage
from tests import database_template
from tests.emptying import empty_all
from tests.environment import POSTGRES_WANTED, chromium
from tests.leftovers import RUN_VARIABLE, leftovers

NO_BROWSER = "no browser on this machine: apt-get install chromium-headless-shell, or set CHROMIUM"
EVERYTHING_AGAIN = (
    "tests/apps/console/test_odd_keys.py",
    "tests/apps/console/test_page_costs.py",
    "tests/config/test_schemathesis.py",
    "tests/matrix/",
    "tests/orchestration/engine/execution/test_any_answer.py",
)
"""Tests that are not measured for coverage: they ask for hundreds of addresses that have tests of their own, too."""
LONG = 240
"""Seconds: a test that may take so long starts before the others."""
LATE = ("cluster", "browser", "slow")
"""Marks of tests that wait for processes and pages, which start before the others, too."""
TransactionTestCase._fixture_teardown = empty_all
gc.disable()  # until all tests are collected
END_OTHER_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def pytest_configure() -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        database_template.begin_run()


def pytest_unconfigure() -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        database_template.end_run()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A run of what is marked for PostgreSQL does not import the files in which nothing is: half of the suite."""
    if "postgres or " not in config.option.markexpr or not collection_path.match("test_*.py"):
        return None
    return True if b"postgres" not in collection_path.read_bytes() else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Tests that need what this machine, or this run, does not have are skipped with the reason."""
    _leave_most_cases_to_the_long_run(items)
    on_postgres = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
    for item in items:
        needs_postgres = item.get_closest_marker("postgres_only") is not None or POSTGRES_WANTED
        if needs_postgres and not on_postgres:
            item.add_marker(pytest.mark.skip(reason=_why_no_postgres()))
        if item.get_closest_marker("browser") is not None and chromium() is None:
            item.add_marker(pytest.mark.skip(reason=NO_BROWSER))
    _choose_what_is_measured(items)
    yield  # here `-m` takes out what it does not name
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = _long_ones_first(items, workers)


def _leave_most_cases_to_the_long_run(items: list[pytest.Item]) -> None:
    """Of the cases of a test marked `sampled(n)` the first, and each n-th after it, stay in `make test`."""
    counts: Counter[str] = Counter()
    for item in items:
        marker = item.get_closest_marker("sampled")
        if marker is None:
            continue
        test = item.nodeid.partition("[")[0]
        if counts[test] % marker.args[0]:
            item.add_marker("long")
            item.add_marker("more_cases")
        counts[test] += 1


def _long_ones_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Each worker begins with an equal share in a row: its share of the files with long tests comes first, so that none
    of them is left for the end, when the other workers have nothing to do."""
    files: defaultdict[Path, list[pytest.Item]] = defaultdict(list)
    for item in filter(_is_long, items):
        files[item.path].append(item)
    first: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for together in sorted(files.values(), key=_longest_first):
        min(first, key=len).extend(together)
    others = [item for item in items if not _is_long(item)]
    size = -(-len(items) // workers)
    shares = []
    for long in first:
        shares += long + others[: size - len(long)]
        del others[: size - len(long)]
    return shares + others


def _longest_first(together: list[pytest.Item]) -> tuple[float, int]:
    return -max(map(_may_take, together)), -len(together)


def _is_long(item: pytest.Item) -> bool:
    return _may_take(item) >= LONG or any(map(item.get_closest_marker, LATE))


def _may_take(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else 0


def _choose_what_is_measured(items: list[pytest.Item]) -> None:
    """For coverage: of a test with many cases the first, for measuring takes two thirds more time; and none that starts
    processes, which are not measured and would be late."""
    seen: set[str] = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        apart = any(map(item.get_closest_marker, ("cluster", "slow", "browser")))
        if apart or test in seen or test.startswith(EVERYTHING_AGAIN):
            item.add_marker("no_cover")
        seen.add(test)


def pytest_collection_finish() -> None:
    """Half a million objects live as long as the process; to look through them again and again takes a sixth of the
    time of all tests."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 50)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    outage._outage = outage.Outage()  # one that an earlier test made must not keep this one from rescuing


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The name of what failed at once, not only when the whole run has ended; once, not by each worker as well."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\n{report.when} failed: {report.nodeid}", flush=True)  # noqa: T201 - said at once


def _why_no_postgres() -> str:
    if not POSTGRES_WANTED:
        return "needs PostgreSQL: set DATABASE_URL, or run `make test`, whose second run looks for one"
    return "no PostgreSQL answers at DATABASE_URL or 127.0.0.1:5432: start one, or set DATABASE_URL"


@pytest.fixture(scope="session", autouse=True)
def whole_samples() -> Iterator[None]:
    """What a bulk run would do is tried out on its whole sample on a busy machine, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("persistence.bulk.rehearsal.SECONDS", 60.0)
        yield


@pytest.fixture(scope="session")
def making_the_template() -> Iterator[ExitStack]:
    """Ends when a template exists: the other workers wait for it."""
    with ExitStack() as stack:
        stack.enter_context(database_template.one_at_a_time())
        yield stack


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_modify_db_settings: None, making_the_template: ExitStack) -> bool:
    """Whether the test database is a copy, so that nothing is left to migrate; pytest-django asks."""
    return database_template.copy()


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_keepdb: bool,
    making_the_template: ExitStack,
) -> Iterator[None]:
    """The test database, and at the end no foreign session in it: a server notices late that a process was killed,
    and until then the database cannot be dropped."""
    if not django_db_keepdb:
        database_template.keep()
    making_the_template.close()
    yield
    with django_db_blocker.unblock():
        _end_other_sessions()
        connections.close_all()
    if django_db_keepdb:
        database_template.drop_copy()


def _end_other_sessions() -> None:
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
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
