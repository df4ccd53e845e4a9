"""`manage.py retry_calls`: queue failed calls again, for example when a provider is back."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from orchestration.management.base import PlainCommand, whole
from orchestration.models import ServiceCallRecord
from orchestration.operations import RETRY, carry_out
from orchestration.values.moments import check_moment

MOST = 1_000_000


class Command(PlainCommand):
    help = (
        "Count the failed calls that would be queued again (the default), by service and error; or do it with --apply."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--error-code", default="", help="Only those that failed with this code.")
        parser.add_argument("--service", default="", help="Only those of this service, by its identity.")
        parser.add_argument("--since", default="", help="Only those that ended since then, such as 2026-01-31T12:00.")
        parser.add_argument("--limit", type=whole(1, MOST), default=MOST, help="At most so many, the oldest first.")
        parser.add_argument("--apply", action="store_true", help="Their models are asked again, which costs money.")

    def handle(self, *, error_code: str, service: str, since: str, limit: int, apply: bool, **_: Any) -> None:
        rows = ServiceCallRecord.objects.failed().order_by("finished_at", "pk")
        if error_code:
            rows = rows.filter(error_code=error_code)
        if service:
            rows = rows.filter(service_identity=service)
        if since:
            rows = rows.filter(finished_at__gte=_moment(since))
        keys, counts = [], Counter[tuple[str, str]]()
        for key, *group in rows.values_list("pk", "service_identity", "error_code")[:limit]:
            keys.append(key)
            counts[group[0], group[1]] += 1
        for (identity, code), count in counts.most_common():
            self.stdout.write(f"{count} x {identity}: {code}")
        done = sum(_retried(key) for key in keys) if apply else 0
        self.stdout.write(f"queued again: {done}" if apply else f"dry run, would queue again: {len(keys)}")


def _retried(key: str) -> bool:
    with transaction.atomic():
        call = ServiceCallRecord.objects.get(pk=key)
        return carry_out(RETRY, call, {}, None).outcome == "retried"


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
        if moment is None:
            raise ValueError
        return check_moment(moment if timezone.is_aware(moment) else timezone.make_aware(moment))
    except ValueError:
        raise CommandError(f"--since takes a time such as 2026-01-31T12:00, not {text[:80]!r}.") from None
