"""System checks of how a project has wired the package: its broker, its URLs, and the apps of its console."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from orchestration.theme.installed import CONSOLE_APPS
from orchestration.typed_settings import optional_setting

ADMIN = "django.contrib.admin"
UNSUPPORTED = ("mysql", "mariadb", "oracle", "mssql", "sql_server", "cockroach")
"""Parts of the names of engines of other databases."""
DJANGO_Q_BROKER = "django_q.brokers.orm.ORM"
SUBMIT = "submit_service_call"
"""The name of the address that calls are submitted to."""
DJANGOS_SITE = "django.contrib.admin.sites.AdminSite"


def is_deployed() -> bool:
    """Whether DEBUG is off, and not by `manage.py test`, which turns it off for its run."""
    return not settings.DEBUG and sys.argv[1:2] != ["test"]


@register(Tags.compatibility)
def check_broker(**_: object) -> list[CheckMessage]:
    """E114: a broker that does not serve the queue of its own node, where heartbeats are sent."""
    common: dict[str, Any] = optional_setting("Q_CLUSTER") or {}
    if not common:
        return []  # E101 reports it
    named = common.get("broker_class")
    if named and getattr(_imported(named), "serves_node_queues", False):
        return []
    return [
        Error(
            f'Q_CLUSTER["broker_class"] is {named or DJANGO_Q_BROKER!r}: it never takes the heartbeats that are sent to'
            ' a node, so the cluster is killed and restarted every thirty seconds ("no result acknowledged").',
            hint="from orchestration.django_q.defaults import q_cluster; Q_CLUSTER = q_cluster(). Or set"
            ' "broker_class": "orchestration.django_q.brokers.OrmBroker" (with "orm": "default"), for Redis'
            ' "orchestration.django_q.redis_broker.RedisBroker" (with "redis": its URL).',
            id="orchestration.E114",
        )
    ]


def _imported(path: str) -> Any:
    try:
        return import_string(path)
    except ImportError:
        return None


@register(Tags.urls)
def check_monitoring(**_: object) -> list[CheckMessage]:
    """W151: nothing answers load balancers and Prometheus."""
    if not optional_setting("ROOT_URLCONF") or {"healthz", "metrics"} <= set(_names(get_resolver())):
        return []
    return [
        checks.Warning(
            "No URL leads to the health checks and the metrics of orchestration.",
            hint='Add to urlpatterns: path("", include("orchestration.monitoring.urls")).',
            id="orchestration.W151",
        )
    ]


@register(Tags.urls)
def check_transactions(**_: object) -> list[CheckMessage]:
    """E116: requests of the REST API are wrapped in a transaction."""
    wrapped = [alias for alias, database in settings.DATABASES.items() if database.get("ATOMIC_REQUESTS")]
    if not wrapped or not optional_setting("ROOT_URLCONF") or SUBMIT not in _names(get_resolver()):
        return []
    return [
        Error(
            f"DATABASES[{wrapped[0]!r}] has ATOMIC_REQUESTS: calls cannot be submitted over REST, because Django wraps"
            " no asynchronous view, which may wait for an answer while a transaction is open.",
            hint="Leave ATOMIC_REQUESTS out, and decorate the views that need it with django.db.transaction.atomic.",
            id="orchestration.E116",
        )
    ]


def _names(resolver: URLResolver) -> Iterator[str | None]:
    """The names of all addresses below this one, in whatever namespace a project has them."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            yield pattern.name
        else:
            yield from _names(pattern)


@register(Tags.compatibility)
def check_time_zones(**_: object) -> list[CheckMessage]:
    """E117: times without a time zone."""
    if settings.USE_TZ:
        return []
    return [
        Error(
            "USE_TZ is False: leases, retries and audits are moments, which times without a time zone are not.",
            hint="USE_TZ = True, Django's default. TIME_ZONE may be yours.",
            id="orchestration.E117",
        )
    ]


@register(Tags.compatibility)
def check_admin(**_: object) -> list[CheckMessage]:
    """E118: no log of what people do."""
    if apps.is_installed(ADMIN):
        return []
    return [
        Error(
            f'INSTALLED_APPS lacks "{ADMIN}": its log keeps what people did to calls, and who looked at their content.',
            hint=f'Add "{ADMIN}", and what its own checks name. Its pages need no URL.',
            id="orchestration.E118",
        )
    ]


@register(Tags.admin)
def check_console(**_: object) -> list[CheckMessage]:
    """W152, E152: the console is installed in part, or behind the admin. E153, W153: it is on another site."""
    configs = list(apps.get_app_configs())
    found = list(console_faults([config.name for config in configs]))
    return found or list(site_faults({config.name: config for config in configs}, admin.site))


def console_faults(names: Sequence[str]) -> Iterator[CheckMessage]:
    """The findings about installed apps, by name in their order."""
    if ADMIN not in names:
        return
    missing = [name for name in CONSOLE_APPS if name not in names]
    if len(missing) == len(CONSOLE_APPS):
        return  # the pages are in Django's own theme
    if missing:
        lines = ", ".join(f'"{name}"' for name in missing)
        yield checks.Warning(
            f"The admin's pages are in Django's own theme: INSTALLED_APPS lacks {', '.join(missing)} of the console.",
            hint=f'pip install "orchestrai[console]", and put before "django.contrib.admin": {lines}.',
            id="orchestration.W152",
        )
    elif names.index("unfold") > names.index(ADMIN):
        yield Error(
            'INSTALLED_APPS names "unfold" after the admin, whose templates then hide its own.',
            hint='Put "unfold" and "unfold.contrib…" before "django.contrib.admin".',
            id="orchestration.E152",
        )


def site_faults(configs: Mapping[str, AppConfig], site: admin.AdminSite) -> Iterator[CheckMessage]:
    """The findings about the default admin site, where the console is installed; installed apps by their names."""
    if not {ADMIN, *CONSOLE_APPS} <= configs.keys():
        return
    config = configs[ADMIN]
    wanted = config.default_site if isinstance(config, SimpleAdminConfig) else DJANGOS_SITE
    if isinstance(configs["unfold"], import_string("unfold.apps.DefaultAppConfig")):  # puts a site of its own there
        if wanted != DJANGOS_SITE:
            yield checks.Warning(
                f"{wanted}, the default_site of {type(config).__qualname__}, is not the admin's site:"
                ' "unfold" in INSTALLED_APPS replaces it by its own.',
                hint='Write "unfold.apps.BasicAppConfig" in the place of "unfold", and let your site inherit from'
                " unfold.sites.UnfoldAdminSite.",
                id="orchestration.W153",
            )
    elif not isinstance(site, import_string("unfold.sites.UnfoldAdminSite")):
        yield Error(
            f"The admin's site, {wanted}, lacks the console's theme: its pages have neither styles nor a menu.",
            hint="Let it inherit from unfold.sites.UnfoldAdminSite. Or take the console's apps out of INSTALLED_APPS:"
            f" {', '.join(CONSOLE_APPS)}; the pages are in Django's own theme then.",
            id="orchestration.E153",
        )


@register(Tags.compatibility)
def check_engines(**_: object) -> list[CheckMessage]:
    """W113: Django's own database engine, which cannot read every row that the engine must be able to repair.
    E115: a database that is neither SQLite nor PostgreSQL."""
    return list(engine_faults(str(settings.DATABASES["default"].get("ENGINE", ""))))


def engine_faults(engine: str) -> Iterator[CheckMessage]:
    """The findings about the `ENGINE` of the default database."""
    kind = engine.removeprefix("django.db.backends.")
    if engine != kind and kind in ("sqlite3", "postgresql"):
        yield checks.Warning(
            f'DATABASES["default"]["ENGINE"] is {engine!r}: a row with a value that Python cannot hold (a time after'
            " the year 9999, say) then stops the lists and workers that read it.",
            hint=f'"ENGINE": "orchestration.backends.{kind}": Django\'s own, which also reads such values.',
            id="orchestration.W113",
        )
    elif any(other in engine.lower() for other in UNSUPPORTED):
        yield Error(
            f'DATABASES["default"]["ENGINE"] is {engine!r}: calls are claimed and persisted with statements that only'
            " SQLite and PostgreSQL (14 and newer) have.",
            hint='Use "orchestration.backends.postgresql" or "orchestration.backends.sqlite3" as the default database.'
            " Models of yours may stay in another one, with a router.",
            id="orchestration.E115",
        )
