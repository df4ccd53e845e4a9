"""What the doctor says in tests."""

from __future__ import annotations

from django.utils import timezone
from django_q.models import Schedule

from orchestration.doctor.examinations import OK, Line, examine


def findings() -> dict[str, Line]:
    """By id, what is not ok."""
    return {line.id: line for line in examine() if line.status != OK}


def put_schedules_on_time() -> None:
    """The rows are as old as the test database, and nobody runs what is due."""
    Schedule.objects.update(next_run=timezone.now())
