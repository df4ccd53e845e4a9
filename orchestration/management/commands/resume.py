"""`manage.py resume service IDENTITY` and `manage.py resume model CLIENT/MODEL`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from orchestration.engine.queue.pausing import resume
from orchestration.management.base import PlainCommand
from orchestration.models.throttles import PauseKind


class Command(PlainCommand):
    help = "Let the calls of a paused service or model start again; see `manage.py pause`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=PauseKind.values)
        parser.add_argument("name", help="As it was paused.")

    def handle(self, *, kind: str, name: str, **_: Any) -> None:
        self.stdout.write(f"Resumed: {resume(kind, name)}.")
