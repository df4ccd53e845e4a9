"""`manage.py replay_persistence`: persist stored results again, without asking a provider."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.app import ensure_autostarted
from persistence.bulk import BULK_TASK, freeze, select, start
from persistence.errors import BulkRefused
from persistence.models import BulkKind
from persistence.replay import Policy, Report, dry_run, persist_again, revert


class Command(BaseCommand):
    help = "Show what persisting stored results again would change (the default), or do it with --apply or --bulk."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--filter", nargs="*", default=[], metavar="KEY=VALUE", help="See persistence.bulk.select.")
        parser.add_argument("--policy", choices=[policy.value for policy in Policy], default=Policy.KEEP.value)
        parser.add_argument("--revert", action="store_true", help="Take back what was persisted instead.")
        parser.add_argument("--force", action="store_true", help="Also over rows that were changed since.")
        parser.add_argument("--limit", type=int, default=1000, help="Calls at most, in this process.")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--dry-run", action="store_true", help="The default.")
        how.add_argument("--apply", action="store_true", help="Do it in this process.")
        how.add_argument("--bulk", action="store_true", help="Freeze the list and let the cluster do it.")

    def handle(self, *args: Any, **options: Any) -> None:
        ensure_autostarted()
        wanted = dict(_pair(text) for text in options["filter"])
        policy, force = Policy(options["policy"]), bool(options["force"])
        try:
            if options["bulk"]:
                kind = BulkKind.REVERT if options["revert"] else BulkKind.PERSIST
                run = freeze(kind, wanted, policy=policy, force=force)
                start(run)
                self.stdout.write(f"bulk run {run.pk}: {run.total} calls, task {BULK_TASK}")
                return
            rows = list(select(wanted).values_list("pk", flat=True)[: options["limit"]])
        except BulkRefused as error:
            raise CommandError(str(error)) from error
        dry = not options["apply"]
        outcomes, changes = Counter[str](), Counter[str]()
        for call_id in rows:
            report = self._one(call_id, policy, force=force, dry=dry, reverting=options["revert"])
            outcomes[report.outcome.value] += 1
            changes.update(report.counts)
            self._print(report, detailed=options["verbosity"] > 1)
        told = ", ".join(f"{count} {name}" for name, count in sorted({**outcomes}.items())) or "nothing to do"
        rows_told = ", ".join(f"{count} {name}" for name, count in sorted(changes.items())) or "none"
        self.stdout.write(f"{'dry run, nothing changed' if dry else 'applied'}: {told}; rows: {rows_told}")

    def _one(self, call_id: str, policy: Policy, *, force: bool, dry: bool, reverting: bool) -> Report:
        if reverting:
            return revert(call_id, force=force, dry=dry)
        return (dry_run if dry else persist_again)(call_id, policy, force=force)

    def _print(self, report: Report, *, detailed: bool) -> None:
        counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
        self.stdout.write(f"{report.call_id} {report.outcome.value} {counts} {report.error}".rstrip())
        if detailed:
            for change in report.changes:
                self.stdout.write(f"  {change.action.value} {change.model._meta.label} {change.key}")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"A filter is KEY=VALUE, not {text!r}.")
    return key, value
