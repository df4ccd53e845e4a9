"""`manage.py orca_components [--json]`: every component, where it is and what it is wired to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from orchestration.components.catalog import inventory
from orchestration.components.lifecycle import get_current_app
from orchestration.management.base import PlainCommand
from orchestration.types import JsonObject


class Command(PlainCommand):
    help = "Print every component with its identity, file and line, and what it is wired to."
    requires_system_checks = []  # it shows what is wrong; a failing check must not hide it

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Machine-readable: a list of objects.")

    def handle(self, *args: Any, **options: Any) -> None:
        entries = inventory(get_current_app())
        if options["json"]:
            self.stdout.write(json.dumps(entries, indent=2))
            return
        domain = ""
        for entry in entries:
            if entry["domain"] != domain:
                domain = entry["domain"]
                self.stdout.write(self.style.MIGRATE_HEADING(domain))
            self.stdout.write(f"  {entry['label']}  {entry['file']}:{entry['line']}")
            for line in wiring_lines(entry):
                self.stdout.write(f"      {line}")
            for problem in entry["problems"]:
                self.stdout.write(self.style.ERROR(f"      problem: {problem}"))
        self.stdout.write(f"{len(entries)} components")


def wiring_lines(entry: JsonObject) -> Iterator[str]:
    """`what: to what`, without what is empty."""
    for what, value in entry["wiring"].items():
        if value not in (None, "", []):
            yield f"{what}: {', '.join(value) if isinstance(value, list) else value}"
