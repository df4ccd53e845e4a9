"""`manage.py prune`: purge content that is old enough, or everything about one subject."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db.models import Model

from orchestration.management.base import PlainCommand
from orchestration.values.moments import LONGEST
from persistence.maintenance.retention import KINDS, erase_subject, prune


class Command(PlainCommand):
    help = "Count what would be purged (the default), or purge it with --apply. Metrics and provenance stay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", nargs="*", metavar="KIND=DAYS", help=f"Kinds: {', '.join(KINDS)}.")
        parser.add_argument(
            "--subject", metavar="APP.MODEL:ID", help="Purge everything about this object or user instead."
        )
        parser.add_argument(
            "--from-start", action="store_true", help="Also check rows that an earlier prune has checked."
        )
        parser.add_argument("--apply", action="store_true")

    def handle(self, *args: Any, days: list[str] | None, subject: str | None, apply: bool, **options: Any) -> None:
        if subject:
            report = erase_subject(_subject(subject), dry_run=not apply)
        else:
            ages = None if days is None else dict(map(_age, days))
            report = prune(days=ages, dry_run=not apply, from_start=bool(options["from_start"]))
        counts = ", ".join(f"{kind} {count}" for kind, count in report.rows.items()) or "nothing is configured"
        held = f"; held, not finished with: {report.held}" if report.held else ""
        self.stdout.write(f"{'purged' if apply else 'dry run, would purge'}: {counts}{held}")


def _age(text: str) -> tuple[str, int]:
    kind, _, age = text.partition("=")
    try:
        days = int(age) if kind in KINDS else -1
    except ValueError:
        days = -1
    if not 0 <= days <= LONGEST.days:
        raise CommandError(
            f"--days takes KIND=DAYS, a kind of {', '.join(KINDS)} and at most {LONGEST.days} days, not {text[:80]!r}."
        )
    return kind, days


def _subject(text: str) -> Model:
    label, _, key = text.partition(":")
    try:
        found: Model | None = apps.get_model(label)._base_manager.filter(pk=key).first()
    except (LookupError, ValueError, OverflowError, ValidationError) as error:
        raise CommandError(f"--subject takes APP.MODEL:ID, not {text!r}.") from error
    if found is None:
        raise CommandError(f"There is no {label} {key}.")
    return found
