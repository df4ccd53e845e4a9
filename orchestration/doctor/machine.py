"""Topics of this machine and of what every process needs: settings, keys, database, migrations, clock, cache, disk."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.cache import cache
from django.core.checks import CheckMessage, Error, Tags
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader

from orchestration.checks.cluster import check_clock
from orchestration.checks.components import check_clients
from orchestration.checks.project import is_deployed
from orchestration.clock import clock_offset
from orchestration.conf import clients_settings, engine_settings
from orchestration.doctor.examinations import Examination, fact
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models import EngineCounter, WorkerNode
from orchestration.monitoring.health import unapplied_migrations
from orchestration.providers.credentials import needs_no_key, why_no_key

DEFAULT = ["default"]
PROBE_BYTES = 65_536
LEAST_FREE, LITTLE_FREE = 0.02, 0.10
"""Of a file system's space, and of its number of files."""
MANY_CONNECTIONS = 0.8
LONG_TRANSACTION_SECONDS = 300
DOCTOR_RUNS = "doctor_runs"
"""The counter whose update shows that the database takes writes."""


def database() -> Iterator[CheckMessage]:
    """E202: no answer. E203: no writes. W202, W203: connections, old transactions. And its system checks."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        yield Error(
            f"The database does not answer: {describe(error)}.",
            hint="Start it, or correct DATABASES (DATABASE_URL in the example project); calls wait in it meanwhile.",
            id="orchestration.E202",
        )
        return
    try:
        EngineCounter.add(DOCTOR_RUNS)
    except DatabaseError as error:
        yield Error(
            f"The database does not accept writes: {describe(error)}.",
            hint="Free space on its disk, or end its read-only state; if tables are missing, run `manage.py migrate`.",
            id="orchestration.E203",
        )
    yield from checks.run_checks(tags=[Tags.database], databases=DEFAULT)
    yield from _server() if connection.vendor == "postgresql" else [fact("SQLite, takes writes")]


def _server() -> Iterator[CheckMessage]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), current_setting('max_connections')::int, current_setting('server_version')"
            " FROM pg_stat_activity"
        )
        used, most, version = cursor.fetchone()
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%%' AND xact_start < now() - make_interval(secs => %s)",
            [LONG_TRANSACTION_SECONDS],
        )
        (idle,) = cursor.fetchone()
    if used > most * MANY_CONNECTIONS:
        yield checks.Warning(
            f"{used} of {most} connections of the server are used.",
            hint="Raise max_connections, run fewer workers, or put a pooler in front of it.",
            id="orchestration.W202",
        )
    if idle:
        yield checks.Warning(
            f"{idle} transactions have been open and idle for more than {LONG_TRANSACTION_SECONDS // 60} minutes: rows"
            " that they lock wait, and no dead row is vacuumed.",
            hint="Find them in pg_stat_activity (state 'idle in transaction') and end their programs.",
            id="orchestration.W203",
        )
    yield fact(f"PostgreSQL {version}, takes writes, {used} of {most} connections")


def migrations() -> Iterator[CheckMessage]:
    """E204: some are not applied. W204: some that this version does not have are."""
    waiting = unapplied_migrations()
    if waiting:
        yield Error(
            f"{waiting} migrations are not applied.",
            hint="Run `manage.py migrate` before this version serves.",
            id="orchestration.E204",
        )
    loader = MigrationLoader(connection)
    installed = {config.label for config in apps.get_app_configs()}
    newer = sorted(set(loader.applied_migrations) - set(loader.disk_migrations))
    strange = [f"{app}.{name}" for app, name in newer if app in installed and (app, name) not in loader.replacements]
    if strange:
        yield checks.Warning(
            f"The database has {len(strange)} migrations that this version does not know ({strange[-1]}): a newer"
            " version migrated it.",
            hint="This version survives them if it is the one before; deploy the newer one when it is mended.",
            id="orchestration.W204",
        )
    yield fact("all applied")


def clock() -> Iterator[CheckMessage]:
    """E205: clocks of nodes. And W112, this machine's."""
    yield from check_clock(databases=DEFAULT)
    for node in WorkerNode.objects.seen():
        if node.is_clock_off:
            yield Error(
                f"The clock of the node {node.name} is {node.clock_offset:+.1f} s off the database's.",
                hint=f"Let NTP set the clock of {node.host or 'its machine'}.",
                id="orchestration.E205",
            )
    yield fact(f"this machine {clock_offset():+.1f} s")


def keys() -> Iterator[CheckMessage]:
    """Whether each model client has its key; never the key."""
    yield from check_clients(None)
    for name, client in clients_settings().clients.items():
        has = "has none" if why_no_key(name, client) else "needs none" if needs_no_key(client) else "has one"
        yield fact(f"{name}: " + ("simulated, needs none" if client.is_simulated else has))


def shared_cache() -> Iterator[CheckMessage]:
    """E206: the cache does not give back what it was given."""
    key, value = f"doctor.{uuid.uuid4().hex}", uuid.uuid4().hex
    with isolated() as using:
        cache.set(key, value, 60)
        if cache.get(key) == value:
            cache.delete(key)
            yield fact(settings.CACHES["default"]["BACKEND"].rpartition(".")[2])
            return
    reason = describe(using.error) if using.error else "it does not give back what it was given"
    yield Error(
        f"The cache does not work: {reason}.",
        hint="Start its server, or correct CACHES (REDIS_URL in the example project).",
        id="orchestration.E206",
    )


def disk() -> Iterator[CheckMessage]:
    """E207: a folder takes no file. E208, W208: little is left on its file system."""
    seen: set[int] = set()
    for purpose, folder in folders():
        place = next((each for each in (folder, *folder.parents) if each.is_dir()), folder)
        try:
            with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-") as file:
                file.write(os.urandom(PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            yield Error(
                f"{purpose} ({place}) takes no file: {error.strerror}.",
                hint="Free space there, or correct the owner of the folder.",
                id="orchestration.E207",
            )
        device = place.stat().st_dev
        if device not in seen:
            seen.add(device)
            yield from _space(place)


def folders() -> Iterator[tuple[str, Path]]:
    """Where processes of this machine write files."""
    yield "RUN_DIR", engine_settings().RUN_DIR.absolute()
    if isinstance(default_storage, FileSystemStorage):
        yield "MEDIA_ROOT", Path(default_storage.location)
    if connection.vendor == "sqlite":
        yield "the folder of the database", Path(str(connection.settings_dict["NAME"])).absolute().parent
    yield "the folder for temporary files", Path(tempfile.gettempdir())


def _space(place: Path) -> Iterable[CheckMessage]:
    usage, status = shutil.disk_usage(place), os.statvfs(place)
    free = usage.free / usage.total if usage.total else 1.0
    if status.f_files:
        free = min(free, status.f_favail / status.f_files)
    message = f"{free:.0%} of the file system of {place} is free ({usage.free / 1e9:.1f} GB)"
    if free >= LITTLE_FREE:
        return [fact(message)]
    kind, number = (Error, "orchestration.E208") if free < LEAST_FREE else (checks.Warning, "orchestration.W208")
    hint = "Delete old files, or enlarge it. `manage.py prune` empties old content, by DOMAIN_PERSIST_RETENTION_DAYS."
    return [kind(f"Only {message}.", hint=hint, id=number)]


def other_settings() -> Iterator[CheckMessage]:
    """Every other system check, with those of a deployment when this is one. `databases`: Django 6.1 would ask all."""
    found = checks.run_checks(include_deployment_checks=is_deployed(), databases=[])
    yield from found
    yield fact(f"{len(checks.registry.registry.get_checks(is_deployed()))} system checks")


EXAMINATIONS = (
    Examination(topic="database", look=database, needs_database=False),
    Examination(topic="migrations", look=migrations),
    Examination(topic="clock", look=clock),
    Examination(topic="keys", look=keys, needs_database=False),
    Examination(topic="cache", look=shared_cache, needs_database=False),
    Examination(topic="disk", look=disk, needs_database=False),
    Examination(topic="settings", look=other_settings, needs_database=False),
)
