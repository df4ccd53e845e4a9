"""`manage.py reprocess`: persist stored results again, without asking a provider."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import CommandError

from orchestration.management.base import PlainCommand, whole
from orchestration.values.moments import EXAMPLE
from persistence.bulk.pace import FASTEST
from persistence.bulk.runs import BULK_TASK, MAX_ROWS, freeze, moment_of, schedule, select, start
from persistence.errors import BulkRefused
from persistence.models import BulkRun
from persistence.operations import REPROCESS, REVERT
from persistence.reprocessing.reprocess import Policy, Report, dry_run, reprocess, revert


class Command(PlainCommand):
    help = (
        "Show what reprocessing stored results would change (the default), or do it with --apply or --bulk."
        " No provider is asked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--filter", nargs="*", default=[], metavar="KEY=VALUE", help="See persistence.bulk.runs.select."
        )
        parser.add_argument("--policy", choices=[policy.value for policy in Policy], default=Policy.KEEP.value)
        parser.add_argument("--revert", action="store_true", help="Revert instead of persisting again.")
        parser.add_argument("--force", action="store_true", help="Include rows that were changed since.")
        parser.add_argument(
            "--limit", type=whole(1, MAX_ROWS), default=1000, help="Maximum number of calls, in this process."
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--dry-run", action="store_true", help="The default.")
        how.add_argument("--apply", action="store_true", help="Do it in this process.")
        how.add_argument("--bulk", action="store_true", help="Freeze the list and let the cluster do it.")
        parser.add_argument("--per-minute", type=whole(1, FASTEST), help="With --bulk: calls a minute, at most.")
        parser.add_argument("--at", metavar="TIME", help=f"With --bulk: start at this time, such as {EXAMPLE}.")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = dict(_pair(text) for text in options["filter"])
        policy, force = Policy(options["policy"]), bool(options["force"])
        try:
            if options["bulk"]:
                operation = REVERT if options["revert"] else REPROCESS
                run = freeze(operation, wanted, policy=policy, force=force)
                self._begin(run, options["at"], options["per_minute"])
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
        counts = ", ".join(f"{count} {name}" for name, count in sorted({**outcomes}.items())) or "nothing to do"
        changed_rows = ", ".join(f"{count} {name}" for name, count in sorted(changes.items())) or "none"
        self.stdout.write(f"{'dry run, nothing changed' if dry else 'applied'}: {counts}; rows: {changed_rows}")

    def _begin(self, run: BulkRun, at: str | None, per_minute: int | None) -> None:
        if at is None:
            start(run, per_minute=per_minute)
            self.stdout.write(f"bulk run {run.pk}: {run.total} calls, task {BULK_TASK}")
        else:
            schedule(run, moment_of("--at", at), per_minute=per_minute)
            self.stdout.write(f"bulk run {run.pk}: {run.total} calls, starts at {at}")

    def _one(self, call_id: str, policy: Policy, *, force: bool, dry: bool, reverting: bool) -> Report:
        if reverting:
            return revert(call_id, force=force, dry=dry)
        return (dry_run if dry else reprocess)(call_id, policy, force=force)

    def _print(self, report: Report, *, detailed: bool) -> None:
        counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
        self.stdout.write(f"{report.call_id} {report.outcome.value} {counts} {report.error}".rstrip())
        if report.unseen:
            self.stdout.write(f"  not followed: {', '.join(report.unseen)}")
        if report.left_files:
            self.stdout.write(f"  files that stay in the storage: {len(report.left_files)}")
        for line in (*report.contradicted, *report.kept):
            self.stdout.write(f"  {line}")
        if detailed:
            for change in report.changes:
                self.stdout.write(f"  {change.action.value} {change.model._meta.label} {change.key}")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"A filter is KEY=VALUE, not {text!r}.")
    return key, value
