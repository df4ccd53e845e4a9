"""`manage.py restore FOLDER`: put a backup into an empty database, and compare it with its manifest."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from orchestration.backup.copies import restore
from orchestration.management.base import PlainCommand


class Command(PlainCommand):
    help = (
        "Put a backup into an empty database beside or in place of the live one, then compare the rows of all tables"
        " and the digests with its manifest. Exit status 1 when anything differs."
    )
    requires_system_checks = ()  # the database of the settings may be what is lost

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="What `manage.py backup` wrote.")
        parser.add_argument(
            "--name",
            default="",
            help="Another database of the same server (created when it does not exist), or another SQLite file.",
        )

    def handle(self, *, folder: Path, name: str, **_: Any) -> None:
        done = restore(folder.absolute(), name)
        self.stdout.write(f"restored {done.tables} tables, {done.rows} rows, all as they were backed up")
