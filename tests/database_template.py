"""A migrated database that the processes of a test run copy: a hundred migrations take ten seconds of a processor.

On SQLite it is kept in the tests' folder until a model or a migration is another one, so that a single test starts in
three seconds. On PostgreSQL the workers of one run share it, and nothing of it is left on the server.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import django
import psycopg
from django.apps import apps
from django.db import connection, connections
from psycopg import sql

from tests.environment import own_folder

RUN = "ORCA_TEST_TEMPLATE"
"""The variable that names the run's database on PostgreSQL; workers inherit it."""
DEFINING = ("migrations/*.py", "models.py", "models/**/*.py", "apps.py", "receivers.py")
"""Files of an app that decide what a migrated database holds, rows of permissions and groups included."""


def begin_run() -> None:
    """Called before the workers are started."""
    os.environ[RUN] = f"test_template_{uuid.uuid4().hex}"


def end_run() -> None:
    """Called when the workers have ended."""
    if connection.vendor == "postgresql":
        with _server() as server:
            server.execute(_sql("DROP DATABASE IF EXISTS {}", os.environ[RUN]))


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Held while the template is looked for and, when there is none, made."""
    with (_folder() / "template.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def copy() -> bool:
    """Replaces the test databases: the default one by a copy of the template, others by nothing. False without one."""
    if connection.vendor == "postgresql":
        return "PYTEST_XDIST_WORKER" in os.environ and _copy_on_postgres()
    template = _file()
    if not template.exists():
        return False
    for alias in connections:
        for suffix in ("", "-wal", "-shm"):  # what an earlier run wrote last would go into the copy
            Path(f"{_test_name(alias)}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(template, _test_name("default"))
    return True


def keep() -> None:
    """Makes the template of the test database, which has just been migrated."""
    connection.close()
    if connection.vendor == "postgresql":
        if "PYTEST_XDIST_WORKER" in os.environ:
            with _server() as server:
                server.execute(_sql("CREATE DATABASE {} TEMPLATE {}", os.environ[RUN], _test_name("default")))
        return
    for old in _folder().glob("template-*"):
        old.unlink()
    whole = _folder() / "template-new.sqlite3"
    with closing(sqlite3.connect(_test_name("default"))) as migrated:
        migrated.execute("VACUUM INTO ?", [str(whole)])
    whole.rename(_file())


def drop_copy() -> None:
    """At the end of a run on PostgreSQL; a file is replaced by the next run."""
    if connection.vendor == "postgresql":
        with _server() as server:
            server.execute(_sql("DROP DATABASE IF EXISTS {}", _test_name("default")))


def _copy_on_postgres() -> bool:
    with _server() as server:
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [os.environ[RUN]]).fetchone():
            return False
        server.execute(_sql("DROP DATABASE IF EXISTS {}", _test_name("default")))
        server.execute(_sql("CREATE DATABASE {} TEMPLATE {}", _test_name("default"), os.environ[RUN]))
    return True


def _server() -> psycopg.Connection[Any]:
    settings = connection.settings_dict
    return psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"] or None,
        user=settings["USER"] or None,
        password=settings["PASSWORD"] or None,
        dbname="postgres",
        autocommit=True,
    )


def _sql(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))


def _test_name(alias: str) -> str:
    return str(connections[alias].creation._get_test_db_name())


def _folder() -> Path:
    """That of all processes: a worker's own folder is within the main process's."""
    folder = Path(own_folder()).parent
    folder = folder.parent if folder.name == "main" else folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _file() -> Path:
    """The name says what the template was made of."""
    digest = hashlib.sha256(django.get_version().encode())
    for config in apps.get_app_configs():
        root = Path(config.path)
        for file in sorted(file for pattern in DEFINING for file in root.glob(pattern)):
            digest.update(f"{config.label}/{file.relative_to(root)}".encode())
            digest.update(file.read_bytes())
    return _folder() / f"template-{digest.hexdigest()[:16]}.sqlite3"
