"""`manage.py pause service IDENTITY` and `manage.py pause model CLIENT/MODEL`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from orchestration.engine.queue.pausing import pause
from orchestration.management.base import PlainCommand
from orchestration.models.throttles import PauseKind


class Command(PlainCommand):
    help = (
        "Start no more calls of a service, or to models, on any node; running calls finish, waiting ones stay queued "
        'and are not charged. A model is written "client/model": "default/gpt-4o-mini", "default/gpt-4o*", "*/*" (all).'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=PauseKind.values)
        parser.add_argument("name", help='An identity, or "client/model".')
        parser.add_argument("--reason", default="", help="Shown in the admin.")

    def handle(self, *, kind: str, name: str, reason: str, **_: Any) -> None:
        self.stdout.write(f"Paused: {pause(kind, name, reason=reason[:500])}.")
