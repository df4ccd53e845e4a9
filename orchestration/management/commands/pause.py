"""`manage.py pause service IDENTITY` and `manage.py pause model CLIENT/MODEL`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.errors import OrchestrationError
from orchestration.models.limits import PauseKind
from orchestration.operating import pause


class Command(BaseCommand):
    help = (
        "Let no call of a service, or to models, start on any node; running ones go on, waiting ones stay queued and "
        'uncharged. A model is written "client/model": "default/gpt-4o-mini", "default/gpt-4o*", "*/*" (everything).'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=PauseKind.values)
        parser.add_argument("name", help='An identity, or "client/model".')
        parser.add_argument("--reason", default="", help="Shown in the admin.")

    def handle(self, *, kind: str, name: str, reason: str, **_: Any) -> None:
        try:
            self.stdout.write(f"Paused: {pause(kind, name, reason=reason[:500])}.")
        except OrchestrationError as error:
            raise CommandError(str(error)) from None
