"""`manage.py drain_persistence`: persist pending results in this process."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import close_old_connections

from orchestration.components.lifecycle import ensure_autostarted
from orchestration.management.base import PlainCommand
from persistence.outbox.drain import drain_batch
from persistence.outbox.outcomes import Counts

POLL_SECONDS = 1.0


class Command(PlainCommand):
    help = "Persist pending results: --once until nothing is due (the default), --follow until it is stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--once", action="store_true", help="End when nothing is due; exit status 1 if any failed.")
        mode.add_argument(
            "--follow",
            action="store_true",
            help="Continue until SIGTERM or Ctrl-C; the current result is finished first.",
        )

    def handle(self, *args: Any, follow: bool, **options: Any) -> None:
        ensure_autostarted()
        if follow:
            self._follow()
        else:
            self._once()

    def _once(self) -> None:
        total = Counts()
        while (counts := drain_batch()).claimed:
            total += counts
        self._print(total)
        if total.failed:
            raise CommandError(f"{total.failed} results could not be persisted; each row says why.", returncode=1)

    def _follow(self) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            close_old_connections()
            counts = drain_batch()
            if counts.claimed:
                self._print(counts)
            else:
                stop.wait(POLL_SECONDS)

    def _print(self, counts: Counts) -> None:
        self.stdout.write(
            f"claimed {counts.claimed}, processed {counts.processed}, failed {counts.failed}, skipped {counts.skipped}"
        )
