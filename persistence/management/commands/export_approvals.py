"""`manage.py export_approvals`: what people decided about held results, as training data."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from orchestration.management.base import PlainCommand
from orchestration.models.batches import in_batches
from persistence.approval.training import TrainingFormat, teaches, training_lines
from persistence.models.approval import Hold

AT_ONCE = 200


class Command(PlainCommand):
    help = "Write decisions on held results as lines of JSON, for fine-tuning. They hold prompts and answers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=list(map(str, TrainingFormat)), default=TrainingFormat.PREFERENCE.value)
        parser.add_argument("--service", help="The identity of a service; all by default.")
        parser.add_argument("--since", help="Only what was decided from this time on, as ISO 8601.")

    def handle(self, *args: Any, **options: Any) -> None:
        form = TrainingFormat(options["format"])
        holds = Hold.objects.filter(tool="", state__in=teaches(form))
        if options["service"]:
            holds = holds.filter(service_identity=options["service"])
        if options["since"]:
            holds = holds.filter(decided_at__gte=_time(options["since"]))
        for keys in in_batches(holds.order_by("pk").values_list("pk", flat=True), AT_ONCE, key=lambda pk: pk):
            for line in training_lines(Hold.objects.filter(pk__in=keys).order_by("pk"), form):
                self.stdout.write(json.dumps(line, ensure_ascii=False))


def _time(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"--since is a time like 2026-12-01T00:00:00Z, not {text[:40]!r}.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
