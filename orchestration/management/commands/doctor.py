"""`manage.py doctor`: look at a running installation, and say what is wrong and how to mend it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from orchestration.doctor.examinations import OK, WARNING, WRONG, Line, examine
from orchestration.management.base import PlainCommand


class Command(PlainCommand):
    help = (
        "Look at settings, keys, database, migrations, broker, workers, schedules, calls, disk, clock and prices of a"
        " running installation; a line for each says what is wrong and how to mend it. Needs no worker, and tells what"
        " it can when the database does not answer. Exit status: 0 all well, 1 something is wrong. "
        'With --json: {"status": "ok" | "warning" | "wrong", "lines": [{"topic", "status", "message", "mend", "id"}]}.'
    )
    requires_system_checks = ()  # they are a part of what it reports

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument("--strict", action="store_true", help="Warnings count as wrong.")

    def handle(self, *, json: bool, strict: bool, **_: Any) -> None:
        lines = examine()
        counts = Counter(line.status for line in lines)
        self._report(lines, counts, as_json=json)
        failing = counts[WRONG] + (counts[WARNING] if strict else 0)
        if failing:
            raise CommandError(f"{failing} of {len(lines)} lines need mending.")

    def _report(self, lines: list[Line], counts: Counter[str], *, as_json: bool) -> None:
        if as_json:
            status = next((status for status in (WRONG, WARNING) if counts[status]), OK)
            self.stdout.write(json.dumps({"status": status, "lines": [asdict(line) for line in lines]}, indent=2))
            return
        for line in lines:
            self.stdout.write(shown(line))


def shown(line: Line) -> str:
    """One line, for people."""
    text = f"{line.status:<7}  {line.topic:<12}  {line.message}"
    if line.mend:
        text += f" Mend: {line.mend}"
    return f"{text} ({line.id})" if line.id else text
