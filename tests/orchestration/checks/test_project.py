"""What a project that installs the package has forgotten is named, with the line to add."""

import pytest
from django.test import override_settings
from django.urls import clear_url_caches, path

from orchestration.checks.project import (
    CONSOLE_APPS,
    check_broker,
    check_engines,
    check_monitoring,
    console_faults,
    engine_faults,
)
from orchestration.django_q.defaults import q_cluster
from persistence.checks import check_theme

urlpatterns = [path("elsewhere", lambda request: None)]
INSTALLED = ["unfold", "django.contrib.admin", *CONSOLE_APPS[1:]]


def ids(messages):
    return [message.id for message in messages]


@pytest.mark.parametrize(
    ("broker", "found"),
    [
        (None, ["orchestration.E114"]),
        ("django_q.brokers.orm.ORM", ["orchestration.E114"]),
        ("nowhere.Broker", ["orchestration.E114"]),
        ("orchestration.django_q.brokers.OrmBroker", []),
        ("orchestration.django_q.redis_broker.RedisBroker", []),
    ],
)
def test_a_broker_without_node_queues_is_named(broker, found):
    with override_settings(Q_CLUSTER={**q_cluster(), "broker_class": broker}):
        assert ids(check_broker()) == found


def test_missing_monitoring_urls_are_named():
    assert check_monitoring() == []
    with override_settings(ROOT_URLCONF=__name__):
        clear_url_caches()
        (finding,) = check_monitoring()
    clear_url_caches()
    assert (finding.id, "orchestration.monitoring.urls" in finding.hint) == ("orchestration.W151", True)


def test_missing_console_apps_are_named():
    assert list(console_faults(INSTALLED)) == []
    assert list(console_faults(["django.contrib.admin", "orchestration"])) == []  # in Django's own theme
    (finding,) = console_faults([name for name in INSTALLED if name != "import_export"])
    assert (finding.id, '"import_export"' in finding.hint) == ("orchestration.W152", True)
    assert ids(console_faults(INSTALLED[::-1])) == ["orchestration.E152"]


def test_djangos_own_engine_is_named():
    assert check_engines() == list(engine_faults("django.contrib.gis.db.backends.postgis")) == []
    (finding,) = engine_faults("django.db.backends.sqlite3")
    assert (finding.id, "orchestration.backends.sqlite3" in finding.hint) == ("orchestration.W113", True)


@pytest.mark.parametrize("engine", ["django.db.backends.mysql", "mysql.connector.django", "django.db.backends.oracle"])
def test_a_database_that_cannot_be_used_is_named(engine):
    (finding,) = engine_faults(engine)
    assert (finding.id, repr(engine) in finding.msg) == ("orchestration.E115", True)


def test_a_missing_theme_is_named():
    assert check_theme(None) == []
    with override_settings(UNFOLD={}):
        assert ids(check_theme(None)) == ["persistence.W003"]
