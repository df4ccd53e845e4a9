"""Prints a key with which the streams of calls can be read, and submits a call for each line of stdin."""

from __future__ import annotations

import json
import sys
from typing import Any

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope, UserRole
from benchmarks.orca.triage import TriageAloud
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.management.base import PlainCommand

OWNER = "listener@example.com"


class Command(PlainCommand):
    help = "Print the key of a caller, then for each line of stdin the id of a call of theirs that streams."

    def handle(self, *args: Any, **options: Any) -> None:
        owner, _ = User.objects.get_or_create(email=OWNER, defaults={"role": UserRole.STAFF})
        _, secret = ApiKey.issue(owner, "listeners", [Scope.CALLS_READ, Scope.CONTENT_READ])
        self._say(secret)
        for line in sys.stdin:
            spec = CallSpec(service=TriageAloud, context={"ticket": line.strip()}, requested_by=owner)
            self._say(submit(spec).pk)

    def _say(self, text: str) -> None:
        self.stdout.write(json.dumps(text))
        self.stdout.flush()
