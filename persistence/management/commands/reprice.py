"""`manage.py reprice`: compute stored costs again from the prices as they are now."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from orchestration.management.base import PlainCommand
from persistence.maintenance.repricing import reprice


class Command(PlainCommand):
    help = "Count the answers whose cost would change (the default), or correct them with --apply."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--apply", action="store_true")

    def handle(self, *args: Any, apply: bool, **options: Any) -> None:
        report = reprice(dry_run=not apply)
        self.stdout.write(
            f"{'corrected' if apply else 'dry run, would correct'}: {report.answers} answers, {report.calls} calls, "
            f"difference {report.difference}; without a price: {report.unpriced}"
        )
