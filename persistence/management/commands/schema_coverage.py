"""`manage.py schema_coverage`: which stored results fit the schemas as they are now."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from orchestration.components.registry import schemas
from orchestration.management.base import PlainCommand
from persistence.handlers.schema_upgrades import handler_versions, schema_coverage


class Command(PlainCommand):
    help = "How many stored results are current, how many can be upgraded, why others cannot; then older handlers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("schema", nargs="*", help="Identities; all registered schemas by default.")

    def handle(self, *args: Any, schema: list[str], **options: Any) -> None:
        for component in self._wanted(schema):
            report = schema_coverage(component)
            if not report.total and not schema:
                continue
            self.stdout.write(
                f"{report.schema} v{report.version}: {report.total} stored, {report.current} current, "
                f"{report.upgradable} upgradable, {report.not_upgradable} not"
            )
            for why, count in report.reasons.most_common():
                self.stdout.write(f"  {count} x {why} (e.g. {report.examples[why]})")
        for row in handler_versions(outdated_only=True):
            self.stdout.write(f"older code: {row.handler} {row.fingerprint} persisted {row.chunks} until {row.last}")

    def _wanted(self, names: list[str]) -> list[Any]:
        found: list[Any] = [schemas.try_get(name) for name in names] if names else list(schemas.all().values())
        missing = [name for name, component in zip(names, found, strict=False) if component is None]
        if missing:
            raise CommandError(f"No such schema: {', '.join(missing)}.")
        return found
