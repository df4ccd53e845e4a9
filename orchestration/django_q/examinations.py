"""What the doctor looks at of django-q: the broker and the schedules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.core.checks import CheckMessage, Error
from django_q.brokers import get_broker
from django_q.models import Schedule

from orchestration.clock import database_now
from orchestration.django_q.schedules import check_rows
from orchestration.doctor.examinations import Examination, fact
from orchestration.isolation import isolated
from orchestration.log import describe

OVERDUE = timedelta(minutes=5)


def broker() -> Iterator[CheckMessage]:
    """E221: it cannot be asked."""
    with isolated() as asking:
        found = get_broker()
        yield fact(f"{type(found).__name__}, {found.queue_size()} messages wait")
    if asking.error is not None:
        yield Error(
            f"The broker does not answer: {describe(asking.error)}.",
            hint="Start its server, or correct Q_CLUSTER (REDIS_URL in the example project). Calls are kept, and start"
            " later.",
            id="orchestration.E221",
        )


def schedules() -> Iterator[CheckMessage]:
    """E222: periodic work is overdue. And W141, E142: missing and broken rows."""
    yield from check_rows(databases=["default"])
    due = Schedule.objects.exclude(repeats=0)
    overdue = due.filter(next_run__lt=database_now() - OVERDUE).order_by("pk")
    for row in overdue:
        yield Error(
            f"Periodic work {row.name or row.func!r} should have run at {row.next_run:%Y-%m-%d %H:%M} UTC.",
            hint="Start a node of the default cluster (without Q_CLUSTER_NAME): only that runs periodic work.",
            id="orchestration.E222",
        )
    yield fact(f"{due.count() - len(overdue)} of {due.count()} on time")


EXAMINATIONS = (
    Examination(topic="broker", look=broker, needs_database=False),
    Examination(topic="schedules", look=schedules),
)
