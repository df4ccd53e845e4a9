"""The measured side of the full-review benchmark: start a run and wait until a running qcluster completed it."""

from __future__ import annotations

import json
import time
from typing import Any

from django.core.management.base import CommandError

from apps.accounts.models import User
from apps.consensus.models import RunStatus
from apps.consensus.workflow.start import start_run

IDEA = "A shared calendar for choirs. It plans rehearsals and tells everybody."
EMAIL = "benchmark@example.com"
PATIENCE = 120.0  # seconds
from orchestration.management.base import PlainCommand


class Command(PlainCommand):
    help = "Start a full review and wait for its decision; prints the seconds between."

    def handle(self, *args: Any, **options: Any) -> None:
        user, _ = User.objects.get_or_create(email=EMAIL)
        started = time.monotonic()
        run, _ = start_run(user, idea=IDEA)
        while run.is_open:
            if time.monotonic() - started > PATIENCE:
                raise CommandError(f"The run was still {run.status} after {PATIENCE:.0f} s.")
            time.sleep(0.02)
            run.refresh_from_db(fields=["status"])
        seconds = time.monotonic() - started
        if run.status != RunStatus.COMPLETED:
            raise CommandError(f"The run ended as {run.status}.")
        self.stdout.write(json.dumps({"seconds": seconds}))
