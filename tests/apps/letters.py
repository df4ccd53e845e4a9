"""Letters that people asked for and workers write."""

from __future__ import annotations

from django_q.models import OrmQ

from apps.accounts.services.password_reset import SEND_TASK
from apps.accounts.tasks import send_reset
from orchestration.django_q.allowed_tasks import read_message


def write_letters() -> None:
    """What a worker does with the letters that were asked for."""
    for row in OrmQ.objects.filter(pk__in=list(OrmQ.objects.values_list("pk", flat=True))):
        task = read_message(row.payload)
        row.delete()
        if task["func"] == SEND_TASK:
            send_reset(*task["args"])
