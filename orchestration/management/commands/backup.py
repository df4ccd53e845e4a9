"""`manage.py backup FOLDER`: copy the database, with a manifest that a restore is compared with."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from orchestration.backup.copies import backup
from orchestration.management.base import PlainCommand


class Command(PlainCommand):
    help = (
        "Copy the default database into a new folder while it is used: the copy (by pg_dump, or SQLite's backup API)"
        " and manifest.json, with the rows of each table and digests. Keep files and keys, too; keys apart from it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="A new folder; it appears when the backup is complete.")

    def handle(self, *, folder: Path, **_: Any) -> None:
        made = backup(folder.absolute())
        self.stdout.write(f"backed up {made.tables} tables, {made.rows} rows: {made.folder}")
