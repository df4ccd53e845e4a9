"""Each misconfiguration of workers is reported, and the product's own settings are not."""

import copy

import pytest
from django.test import override_settings

from orchestration.checks.cluster import (
    app_order,
    check_clusters,
    check_databases,
    check_surroundings,
    database_checks,
)

SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": "x",
    "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL;"},
}
POSTGRES = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "x",
    "CONN_MAX_AGE": 600,
    "CONN_HEALTH_CHECKS": True,
}


def ids(messages):
    return sorted(message.id.removeprefix("orchestration.") for message in messages)


def clusters(settings, **changes):
    options = {**settings.Q_CLUSTER, **changes}
    with override_settings(Q_CLUSTER={key: value for key, value in options.items() if value is not ...}):
        return check_clusters()


def databases(base, **changes):
    """Findings about one database; `OPTIONS` are merged."""
    database = copy.deepcopy(base)
    database["OPTIONS"] = {**database.get("OPTIONS", {}), **changes.pop("OPTIONS", {})}
    return list(database_checks("default", database | changes))


def test_the_products_own_settings_have_no_findings():
    assert [*check_clusters(), *check_databases(), *check_surroundings()] == []


def test_every_finding_has_a_hint(settings):
    found = [
        *clusters(settings, retry=60, ack_failures=False, max_attempts=0, save_limit=250, poll=9, guard_cycle=9),
        *clusters(settings, catch_up=True, sync=True, name="", orm="nowhere", timeout=60),
        *databases({**SQLITE, "OPTIONS": {}}),
        *databases({**POSTGRES, "CONN_MAX_AGE": 0}),
        *app_order(["orchestration"]),
    ]
    assert len(found) >= 14
    assert [message for message in found if not (message.hint and message.msg)] == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"retry": 450}, ["E103"]),  # (3 / 3 + 2) * 150: exactly the limit is not enough
        ({"retry": 451}, []),
        ({"retry": ...}, ["E103"]),
        ({"queue_limit": 9}, ["E103"]),
        ({"queue_limit": ...}, ["E103"]),  # django-q's default is workers squared
        ({"workers": ...}, ["E102"]),
        ({"timeout": None}, ["E102"]),
        ({"ack_failures": False}, ["E104"]),
        ({"ack_failures": ...}, ["E104"]),
        ({"max_attempts": 0}, ["E105"]),
        ({"max_attempts": ...}, ["E105"]),
        ({"save_limit": 250}, ["W101"]),
        ({"save_limit": 0}, ["W101"]),
        ({"save_limit": ...}, ["W101"]),
        ({"timeout": 105}, ["E106"]),  # budget 45 + request 60
        ({"timeout": 106}, []),
        ({"poll": 0}, ["W102"]),
        ({"poll": 5}, ["W102"]),
        ({"poll": 1}, []),
        ({"guard_cycle": 0}, ["W103"]),
        ({"guard_cycle": 10}, ["W103"]),
        ({"catch_up": True}, ["W104"]),
        ({"catch_up": ...}, ["W104"]),
        ({"sync": True}, ["E107"]),
        ({"name": ""}, ["E108"]),
        ({"orm": "nowhere"}, ["E109"]),
    ],
)
def test_an_option_of_the_cluster_is_checked(settings, changes, expected):
    assert ids(clusters(settings, **changes)) == expected


def test_the_retry_finding_says_which_number_is_needed(settings):
    (finding,) = clusters(settings, retry=60)
    assert "must exceed (queue_limit / workers + 2) * timeout = 450 seconds" in finding.msg


@override_settings(Q_CLUSTER={})
def test_a_missing_cluster_is_an_error():
    assert ids(check_clusters()) == ["E101"]


def test_dedicated_clusters_are_checked_with_the_common_options(settings):
    assert clusters(settings, ALT_CLUSTERS={"llm": {}, "persistence": {"workers": 4, "queue_limit": 4}}) == []
    found = clusters(settings, ALT_CLUSTERS={"llm": {"workers": 1}, "persistence": {"workers": 1}})
    assert ids(found) == ["E103"]


def test_a_loop_that_outlives_the_timeout_of_django_q_is_found(settings):
    """Its own settings say how long it may take."""
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "REQUEST_TIMEOUT_SECONDS": 110}
    assert ids(check_clusters()) == ["E106"]


def test_work_for_a_cluster_that_nobody_runs_is_an_error(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "QUEUE": "llm"}
    assert ids(check_clusters()) == ["E110"]
    assert clusters(settings, ALT_CLUSTERS={"llm": {}}) == []


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"transaction_mode": None}, "transaction_mode IMMEDIATE"),
        ({"transaction_mode": "DEFERRED"}, "transaction_mode IMMEDIATE"),
        ({"init_command": ""}, "journal_mode WAL"),
        ({"timeout": 1}, "timeout of 5 s"),
    ],
)
def test_sqlite_without_what_concurrency_needs_is_an_error(options, missing):
    (finding,) = databases(SQLITE, OPTIONS=options)
    assert finding.id == "orchestration.E111"
    assert missing in finding.msg


def test_sqlite_as_it_must_be_has_no_findings():
    assert databases(SQLITE) == []
    assert databases(SQLITE, OPTIONS={"transaction_mode": "immediate"}) == []


def test_a_server_database_as_it_must_be_has_no_findings():
    assert databases(POSTGRES) == []


def test_a_new_connection_for_each_task_is_reported():
    assert ids(databases(POSTGRES, CONN_MAX_AGE=0)) == ["W111"]


def test_kept_connections_without_health_checks_are_an_error():
    assert ids(databases(POSTGRES, CONN_HEALTH_CHECKS=False)) == ["E113"]


def test_a_pool_is_an_error_in_a_worker_and_nowhere_else(monkeypatch):
    pooled = {**POSTGRES, "CONN_MAX_AGE": 0, "OPTIONS": {"pool": {"min_size": 2}}}
    monkeypatch.delenv("ORCA_NODE_NAME", raising=False)
    assert databases(pooled) == []
    monkeypatch.setenv("ORCA_NODE_NAME", "here")
    assert ids(databases(pooled)) == ["E112"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["orchestration", "django_q"], []),
        (["django_q", "orchestration"], ["E121"]),
        (["orchestration"], ["E121"]),
    ],
)
def test_orchestration_stands_before_django_q(names, expected):
    assert ids(app_order(names)) == expected


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "dummy.DummyCache"])
def test_a_cache_that_processes_do_not_share_is_reported(settings, backend):
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}
    assert ids(check_surroundings()) == ["W121"]


def test_the_demo_key_is_an_error_unless_debugging(settings):
    settings.SECRET_KEY = "django-insecure-anything"
    settings.DEBUG = True
    assert check_surroundings() == []
    settings.DEBUG = False
    assert ids(check_surroundings()) == ["E122"]
