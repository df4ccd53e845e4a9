"""`manage.py replay_persistence`: the old name of `manage.py reprocess`, removed in the next release."""

from __future__ import annotations

from typing import Any

from persistence.management.commands import reprocess


class Command(reprocess.Command):
    help = "The old name of `reprocess`, removed in the next release. " + reprocess.Command.help

    def handle(self, *args: Any, **options: Any) -> None:
        self.stderr.write("replay_persistence is deprecated; the next release removes it. Use `manage.py reprocess`.")
        super().handle(*args, **options)
