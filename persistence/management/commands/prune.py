"""`manage.py prune`: purge content that is old enough, or everything about one subject."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from orchestration.management.base import PlainCommand
from orchestration.values.moments import LONGEST
from persistence.errors import ErasureRefused
from persistence.maintenance.erasure import ErasureReport, erase_subject, go_on, note, subject_of
from persistence.maintenance.retention import PruneReport, aged_kinds, prune


class Command(PlainCommand):
    help = "Count what would be purged (the default), or purge it with --apply. Metrics and provenance stay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", nargs="*", metavar="KIND=DAYS", help=f"Kinds: {', '.join(aged_kinds())}.")
        parser.add_argument(
            "--subject", metavar="APP.MODEL:ID", help="Purge everything about this object or user instead."
        )
        parser.add_argument(
            "--from-start", action="store_true", help="Also check rows that an earlier prune has checked."
        )
        parser.add_argument("--apply", action="store_true")

    def handle(self, *args: Any, days: list[str] | None, subject: str | None, apply: bool, **options: Any) -> None:
        report: ErasureReport | PruneReport
        if subject:
            report = self._erase(subject, apply=apply)
        else:
            ages = None if days is None else dict(map(_age, days))
            report = prune(days=ages, dry_run=not apply, from_start=bool(options["from_start"]))
        counts = ", ".join(f"{kind} {count}" for kind, count in report.rows.items()) or "nothing is configured"
        held = f"; held, not finished with: {report.held}" if report.held else ""
        self.stdout.write(f"{'purged' if apply else 'dry run, would purge'}: {counts}{held}")

    def _erase(self, text: str, *, apply: bool) -> ErasureReport:
        """Here and now; an erasure that was done has a report in the console. Held calls are listed."""
        try:
            subject = subject_of(text)
        except ErasureRefused as refused:
            raise CommandError(f"--subject: {refused}") from refused
        report = go_on(note(subject, reason="manage.py prune")) if apply else erase_subject(subject)
        for call_id in report.held_calls:
            self.stdout.write(f"held: call {call_id}")
        return report


def _age(text: str) -> tuple[str, int]:
    kind, _, age = text.partition("=")
    try:
        days = int(age) if kind in aged_kinds() else -1
    except ValueError:
        days = -1
    if not 0 <= days <= LONGEST.days:
        known = ", ".join(aged_kinds())
        raise CommandError(
            f"--days takes KIND=DAYS, a kind of {known} and at most {LONGEST.days} days, not {text[:80]!r}."
        )
    return kind, days
