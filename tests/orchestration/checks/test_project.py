"""What a project that installs the package has forgotten is named, with the line to add."""

import sys

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.test import override_settings
from django.urls import clear_url_caches, path
from unfold.apps import BasicAppConfig, DefaultAppConfig
from unfold.sites import UnfoldAdminSite

from orchestration.checks.project import (
    CONSOLE_APPS,
    check_admin,
    check_broker,
    check_console,
    check_engines,
    check_monitoring,
    check_time_zones,
    check_transactions,
    console_faults,
    engine_faults,
    site_faults,
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


class Office(AdminConfig):
    default_site = "mysite.office.Office"


def site_findings(unfold, admin, site):
    configs = dict.fromkeys(CONSOLE_APPS) | {"unfold": unfold, "django.contrib.admin": admin}
    return ids(site_faults(configs, site))


def test_a_site_that_the_console_cannot_have_is_named():
    module = sys.modules[__name__]
    basic, default = BasicAppConfig("unfold", module), DefaultAppConfig("unfold", module)
    own, djangos = Office("django.contrib.admin", module), AdminConfig("django.contrib.admin", module)
    assert check_console() == []
    assert site_findings(default, djangos, UnfoldAdminSite()) == []
    assert site_findings(default, own, UnfoldAdminSite()) == ["orchestration.W153"]
    assert site_findings(basic, own, UnfoldAdminSite()) == []
    assert site_findings(basic, own, AdminSite()) == ["orchestration.E153"]
    assert list(site_faults({"django.contrib.admin": own}, AdminSite())) == []  # in Django's own theme


def test_transactions_around_requests_are_named(monkeypatch):
    assert check_transactions() == []
    monkeypatch.setitem(settings.DATABASES["default"], "ATOMIC_REQUESTS", True)
    assert ids(check_transactions()) == ["orchestration.E116"]
    with override_settings(ROOT_URLCONF=__name__):
        clear_url_caches()
        assert check_transactions() == []  # without the REST API they do no harm
    clear_url_caches()


def test_times_without_a_zone_are_named():
    assert check_time_zones() == []
    with override_settings(USE_TZ=False):
        assert ids(check_time_zones()) == ["orchestration.E117"]


def test_a_project_without_the_admin_is_told(monkeypatch):
    assert check_admin() == []
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "django.contrib.admin")
    assert ids(check_admin()) == ["orchestration.E118"]
