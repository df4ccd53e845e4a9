"""Copies a database into a folder and back: `pg_dump` and `pg_restore`, or SQLite's backup API.

A folder holds the copy and `manifest.json`, which says what the copy must contain. It gets its name when it is
complete, so that an interrupted backup is never taken for one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from orchestration.backup.contents import Table, as_json, contents, differences, from_json
from orchestration.clock import database_now
from orchestration.errors import OrchestrationError

FORMAT = 1
MANIFEST = "manifest.json"
COPIES = {"postgresql": "database.dump", "sqlite": "database.sqlite3"}


class BackupFailed(OrchestrationError):
    """A backup or a restore did not succeed; the message says why."""

    code = "backup_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a backup or a restore copied."""

    folder: Path
    tables: int
    rows: int


def backup(folder: Path) -> Copied:
    """Copy the default database into a new folder; BackupFailed when that does not succeed."""
    if folder.exists():
        raise BackupFailed(f"{folder} exists: name a new folder.")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    copy = partial / COPIES[connection.vendor]
    tables = (_dump if connection.vendor == "postgresql" else _copy)(copy)
    manifest = {
        "format": FORMAT,
        "vendor": connection.vendor,
        "made_at": database_now().isoformat(timespec="seconds"),
        "sha256": _digest(copy),
        "tables": as_json(tables),
    }
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1))
    _flush(copy, partial / MANIFEST)
    partial.rename(folder)
    return _copied(folder, tables)


def restore(folder: Path, name: str = "") -> Copied:
    """Put a backup into an empty database of the default one's server, and compare; BackupFailed when anything differs.

    `name` is the name of the database, or the path of the file; empty: the one of the settings. On PostgreSQL it is
    created when it does not exist.
    """
    manifest, copy = _read(folder)
    if manifest["vendor"] != connection.vendor:
        raise BackupFailed(f"The backup is of {manifest['vendor']}, and the settings name {connection.vendor}.")
    target = _connection_to(name or str(connection.settings_dict["NAME"]))
    try:
        _refuse_what_is_there(target)
        (_undump if connection.vendor == "postgresql" else _copy_back)(copy, target)
        found = contents(target)
    finally:
        target.close()
    wanted = from_json(manifest["tables"])
    if wrong := differences(wanted, found):
        raise BackupFailed(f"The restored database is not what was backed up: {'; '.join(wrong)}.")
    return _copied(folder, found)


# --- PostgreSQL -----------------------------------------------------------------------------


def _dump(copy: Path) -> dict[str, Table]:
    """The copy and the contents of one moment: pg_dump reads the snapshot of this transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        (snapshot,) = cursor.fetchone()
        _run("pg_dump", connection, "--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={copy}")
        return contents(connection)


def _undump(copy: Path, target: BaseDatabaseWrapper) -> None:
    _run("pg_restore", target, "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", str(copy))


def _run(program: str, database: BaseDatabaseWrapper, *arguments: str) -> None:
    """A program of PostgreSQL on a database; the password goes through its environment."""
    (_, *options), variables = database.client.settings_to_cmd_args_env(database.settings_dict, [])
    named = [*options[:-1], f"--dbname={options[-1]}"]
    try:
        done = subprocess.run(  # noqa: S603 - the programs and options above
            [program, *named, *arguments], env={**os.environ, **(variables or {})}, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise BackupFailed(f"{program} is not installed: install PostgreSQL's client programs.") from None
    if done.returncode:
        raise BackupFailed(f"{program} failed: {done.stderr.strip()[-2000:]}")


# --- SQLite ---------------------------------------------------------------------------------


def _copy(copy: Path) -> dict[str, Table]:
    connection.ensure_connection()
    _transfer(connection.connection, copy)
    copied = _connection_to(str(copy))
    try:
        return contents(copied)
    finally:
        copied.close()


def _copy_back(copy: Path, target: BaseDatabaseWrapper) -> None:
    source = sqlite3.connect(copy)
    try:
        source.backup(target.connection)
    finally:
        source.close()


def _transfer(source: sqlite3.Connection, path: Path) -> None:
    target = sqlite3.connect(path)
    try:
        source.backup(target)
        (verdict,) = target.execute("PRAGMA integrity_check").fetchone()
    finally:
        target.close()
    if verdict != "ok":
        raise BackupFailed(f"SQLite finds the database damaged: {verdict}.")


# --- both -----------------------------------------------------------------------------------


def _connection_to(name: str) -> BaseDatabaseWrapper:
    """A connection of its own, as the settings say, to another database."""
    options: dict[str, Any] = {**connection.settings_dict, "NAME": name}
    options["OPTIONS"] = {key: value for key, value in options["OPTIONS"].items() if key != "pool"}
    wrapper: BaseDatabaseWrapper = load_backend(options["ENGINE"]).DatabaseWrapper(options, "backup")
    return wrapper


def _refuse_what_is_there(target: BaseDatabaseWrapper) -> None:
    name = target.settings_dict["NAME"]
    try:
        target.ensure_connection()
    except DatabaseError:
        if target.vendor != "postgresql":
            raise
        _create(str(name))
        target.ensure_connection()
    with target.cursor() as cursor:
        if target.introspection.table_names(cursor):
            raise BackupFailed(f"The database {name} is not empty: name a new one with --name.")


def _create(name: str) -> None:
    """With a connection to the server's own database: the one of the settings may be gone."""
    server = _connection_to("postgres")
    try:
        with server.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {server.ops.quote_name(name)} TEMPLATE template0 ENCODING 'UTF8'")
    finally:
        server.close()


def _read(folder: Path) -> tuple[dict[str, Any], Path]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        copy = folder / COPIES[manifest["vendor"]]
        digest = _digest(copy)
    except (OSError, ValueError, KeyError) as error:
        raise BackupFailed(f"{folder} is not a complete backup ({type(error).__name__}).") from error
    if manifest.get("format", FORMAT) != FORMAT:
        raise BackupFailed(
            f"A newer version wrote {folder} (format {manifest['format']}; {FORMAT} is the newest that is known here)."
            " Upgrade this installation, then restore."
        )
    if digest != manifest["sha256"]:
        raise BackupFailed(f"{copy} is damaged: it is not the file that was written.")
    return manifest, copy


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(*paths: Path) -> None:
    for path in paths:
        path.chmod(0o600)
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _copied(folder: Path, tables: dict[str, Table]) -> Copied:
    return Copied(folder=folder, tables=len(tables), rows=sum(table.rows for table in tables.values()))
