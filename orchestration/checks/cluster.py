"""System checks on what the workers need: `Q_CLUSTER`, the databases, the cache, the order of the apps.

With each of these misconfigurations the system runs, but repeats paid calls, loses work, mixes up rows or stalls.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DEFAULT_DB_ALIAS, DatabaseError

from orchestration.checks.project import is_deployed
from orchestration.clock import clock_offset
from orchestration.conf import engine_settings
from orchestration.engine.node import NODE_VARIABLE
from orchestration.errors import NotConfigured
from orchestration.typed_settings import optional_setting

INSECURE_PREFIX = "django-insecure-"
"""As Django marks generated keys that are not for production."""
LOCAL_CACHES = ("locmem.LocMemCache", "dummy.DummyCache")
SLOWEST_POLL_SECONDS = 2.0
SLOWEST_GUARD_SECONDS = 5.0
LEAST_SQLITE_SECONDS = 5.0


def cluster_checks(options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    """The findings about one cluster's options."""
    for check in _CLUSTER_CHECKS:
        yield from check(options)


@register(Tags.compatibility)
def check_clusters(**_: object) -> list[CheckMessage]:
    """E101-E110, W101-W104: `Q_CLUSTER`, and each of its ALT_CLUSTERS over the common options."""
    common: dict[str, Any] | None = optional_setting("Q_CLUSTER")
    if not common:
        return [
            Error(
                "settings.Q_CLUSTER is missing: django-q's defaults repeat long tasks without end.",
                hint="from orchestration.django_q.defaults import q_cluster; Q_CLUSTER = q_cluster()",
                id="orchestration.E101",
            )
        ]
    alternatives: dict[str, dict[str, Any]] = common.get("ALT_CLUSTERS") or {}
    variants = [common, *({**common, **options} for options in alternatives.values())]
    found = {(message.id, message.msg): message for options in variants for message in cluster_checks(options)}
    return [*found.values(), *_queue(common, alternatives)]


def _queue(common: Mapping[str, Any], alternatives: Mapping[str, Any]) -> Iterator[CheckMessage]:
    try:
        queue = engine_settings().QUEUE
    except NotConfigured:  # reported by its own check
        return
    if queue is not None and queue != common.get("name") and queue not in alternatives:
        yield Error(
            f'ORCHESTRAI["QUEUE"] is {queue!r}, but no cluster of that name is configured: calls would never run.',
            hint='Name a key of Q_CLUSTER["ALT_CLUSTERS"], or remove QUEUE to use the default cluster.',
            id="orchestration.E110",
        )


def _redelivery(options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    workers, timeout = options.get("workers"), options.get("timeout")
    if not workers or not timeout:
        yield Error(
            'Q_CLUSTER needs "workers" and "timeout": without them nothing bounds how long a task may take.',
            hint='Set "workers": 3 and "timeout": 150.',
            id="orchestration.E102",
        )
        return
    limit = options.get("queue_limit", workers**2)
    least = (limit / workers + 2) * timeout
    if options.get("retry", 60) <= least:
        yield Error(
            f'Q_CLUSTER["retry"] is {options.get("retry", 60)}: the broker would redeliver tasks that still run.'
            f" It must exceed (queue_limit / workers + 2) * timeout = {least:g} seconds, because a prefetched task"
            " waits for the ones before it.",
            hint='Raise "retry", or lower "queue_limit" to "workers".',
            id="orchestration.E103",
        )


def _failures(options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if options.get("ack_failures") is not True:
        yield Error(
            'Q_CLUSTER["ack_failures"] is not True: a task that raises is redelivered without end.',
            hint='Set "ack_failures": True, in web processes too: the sender stamps it. Only the engine retries.',
            id="orchestration.E104",
        )
    if options.get("max_attempts", 0) != 1:
        yield Error(
            f'Q_CLUSTER["max_attempts"] is {options.get("max_attempts", 0)}: django-q would retry what the engine'
            " retries.",
            hint='Set "max_attempts": 1.',
            id="orchestration.E105",
        )


def _bookkeeping(options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if options.get("save_limit", 250) != -1:
        yield checks.Warning(
            f'Q_CLUSTER["save_limit"] is {options.get("save_limit", 250)}: successes are saved, and above 0 every'
            " task locks and reads all of them (35 tasks/s instead of 390).",
            hint='Set "save_limit": -1; the calls themselves are the record.',
            id="orchestration.W101",
        )


def _time_for_a_loop(options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    try:
        engine = engine_settings()
    except NotConfigured:  # reported by its own check
        return
    longest = engine.LOOP_BUDGET_SECONDS + engine.REQUEST_TIMEOUT_SECONDS
    if 0 < (options.get("timeout") or 0) <= longest:
        yield Error(
            f'Q_CLUSTER["timeout"] is {options["timeout"]}: django-q would kill a worker loop with calls in flight. It'
            f" claims for LOOP_BUDGET_SECONDS, then waits for its last calls: {longest:g} seconds.",
            hint='Raise "timeout", or lower ORCHESTRAI["LOOP_BUDGET_SECONDS"] or ["REQUEST_TIMEOUT_SECONDS"].',
            id="orchestration.E106",
        )


def _responsiveness(options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if not 0 < options.get("poll", 0.2) <= SLOWEST_POLL_SECONDS:
        yield checks.Warning(
            f'Q_CLUSTER["poll"] is {options["poll"]}: every wake-up waits that long, and 0 keeps a core busy.',
            hint='Set "poll": 0.2.',
            id="orchestration.W102",
        )
    if not 0 < options.get("guard_cycle", 0.5) <= SLOWEST_GUARD_SECONDS:
        yield checks.Warning(
            f'Q_CLUSTER["guard_cycle"] is {options["guard_cycle"]}: dead workers are replaced, and stops are noticed,'
            " only once in a cycle.",
            hint='Set "guard_cycle": 0.5.',
            id="orchestration.W103",
        )


def _schedules(options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if options.get("catch_up", True):
        yield checks.Warning(
            'Q_CLUSTER["catch_up"] is not False: after a pause every missed minute of each schedule is run.',
            hint='Set "catch_up": False.',
            id="orchestration.W104",
        )
    if options.get("sync"):
        yield Error(
            'Q_CLUSTER["sync"] is set: tasks run inside the request that sends them, in its transaction.',
            hint='Remove "sync".',
            id="orchestration.E107",
        )


def _broker(options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if not options.get("name"):
        yield Error(
            'Q_CLUSTER["name"] is missing: it names the queue and is the salt of every signed message.',
            hint='Set "name", the same in web processes and workers, and never change it.',
            id="orchestration.E108",
        )
    orm = options.get("orm")
    if orm and orm not in settings.DATABASES:
        yield Error(
            f'Q_CLUSTER["orm"] is {orm!r}, which is not in DATABASES.',
            hint='Set "orm": "default".',
            id="orchestration.E109",
        )


_CLUSTER_CHECKS: tuple[Callable[[Mapping[str, Any]], Iterator[CheckMessage]], ...] = (
    _redelivery,
    _failures,
    _bookkeeping,
    _time_for_a_loop,
    _responsiveness,
    _schedules,
    _broker,
)


@register(Tags.compatibility)
def check_databases(**_: object) -> list[CheckMessage]:
    """E111-E113, W111: what a database connection needs to serve workers."""
    return [message for alias, database in settings.DATABASES.items() for message in database_checks(alias, database)]


def database_checks(alias: str, database: Mapping[str, Any]) -> Iterator[CheckMessage]:
    """The findings about one entry of DATABASES."""
    check = _sqlite if str(database.get("ENGINE", "")).endswith("sqlite3") else _server
    yield from check(alias, database)


def _sqlite(alias: str, database: Mapping[str, Any]) -> Iterator[CheckMessage]:
    options = database.get("OPTIONS") or {}
    wanted = {
        "transaction_mode IMMEDIATE": str(options.get("transaction_mode", "")).upper() == "IMMEDIATE",
        "journal_mode WAL": "journal_mode=wal" in str(options.get("init_command", "")).lower().replace(" ", ""),
        f"timeout of {LEAST_SQLITE_SECONDS:g} s or more": options.get("timeout", 0) >= LEAST_SQLITE_SECONDS,
    }
    missing = [name for name, given in wanted.items() if not given]
    if missing:
        yield Error(
            f"DATABASES[{alias!r}] is SQLite without {', '.join(missing)}: a third of concurrent transactions fails"
            ' with "database is locked".',
            hint='OPTIONS = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA'
            ' journal_mode=WAL; PRAGMA synchronous=NORMAL;"}',
            id="orchestration.E111",
        )


def _server(alias: str, database: Mapping[str, Any]) -> Iterator[CheckMessage]:
    pooled = bool((database.get("OPTIONS") or {}).get("pool"))
    age = database.get("CONN_MAX_AGE", 0)
    if pooled and os.environ.get(NODE_VARIABLE):
        yield Error(
            f"DATABASES[{alias!r}] has a connection pool in a worker: its connections are shared by the forked"
            " processes, which then read each other's rows.",
            hint="Start qcluster without DATABASE_POOL; only ASGI web processes may have it.",
            id="orchestration.E112",
        )
    if not pooled and age == 0:
        yield checks.Warning(
            f"DATABASES[{alias!r}] has CONN_MAX_AGE 0: every task and every broker call opens a new connection (40"
            " tasks/s instead of 300).",
            hint='Set "CONN_MAX_AGE": 600 in workers and WSGI processes; in ASGI web processes use a pool.',
            id="orchestration.W111",
        )
    if age != 0 and not database.get("CONN_HEALTH_CHECKS"):
        yield Error(
            f"DATABASES[{alias!r}] keeps connections without CONN_HEALTH_CHECKS: after a restart of the database the"
            " first use of each connection fails.",
            hint='Set "CONN_HEALTH_CHECKS": True.',
            id="orchestration.E113",
        )


@register(Tags.database)
def check_clock(*, databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """W112: this machine's clock differs from the database's. Only with `check --database default`."""
    if not databases or DEFAULT_DB_ALIAS not in databases:
        return []
    try:
        offset, tolerance = clock_offset(), engine_settings().CLOCK_TOLERANCE_SECONDS
    except (DatabaseError, NotConfigured):  # reported by their own checks
        return []
    if abs(offset) <= tolerance:
        return []
    return [
        checks.Warning(
            f"This machine's clock is {abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} the database's:"
            " what it logs and what providers ask it to wait for is that much off.",
            hint="Let NTP set the clock, or allow more with ORCHESTRAI['CLOCK_TOLERANCE_SECONDS'].",
            id="orchestration.W112",
        )
    ]


@register(Tags.compatibility)
def check_surroundings(**_: object) -> list[CheckMessage]:
    """E121: the order of the apps; W121: a cache that processes do not share; E122: the demo's SECRET_KEY."""
    names = [config.name for config in apps.get_app_configs()]
    return [*app_order(names), *_cache(), *_secret_key()]


def app_order(names: Sequence[str]) -> Iterator[CheckMessage]:
    """The findings about installed apps, by name in their order."""
    if "django_q" not in names or names.index("orchestration") > names.index("django_q"):
        yield Error(
            "INSTALLED_APPS must name orchestration before django_q: otherwise `qcluster` is django-q's own, which"
            " nothing restarts when it stalls.",
            hint='Put "orchestration" before "django_q", and list both.',
            id="orchestration.E121",
        )


def _cache() -> Iterator[CheckMessage]:
    alias = (optional_setting("Q_CLUSTER") or {}).get("cache", "default")
    backend = str(settings.CACHES.get(alias, {}).get("BACKEND", ""))
    if backend.endswith(LOCAL_CACHES):
        yield checks.Warning(
            f"CACHES[{alias!r}] lives in one process: the cluster's status is invisible to the web processes.",
            hint="Use the file based cache on one machine, Redis on several.",
            id="orchestration.W121",
        )


def _secret_key() -> Iterator[CheckMessage]:
    if is_deployed() and str(settings.SECRET_KEY).startswith(INSECURE_PREFIX):
        yield Error(
            "SECRET_KEY is the demo's, and DEBUG is off: anyone can sign messages that workers unpickle and run.",
            hint="Set SECRET_KEY (by DJANGO_SECRET_KEY in the example project) to a long random text, the same for web"
            " processes and workers.",
            id="orchestration.E122",
        )
