"""Sends tasks for the schedules that are due, row by row, so that an invalid row does not block the others.

Replaces django-q's scheduler, which reads all rows in one transaction, stops at the first invalid one, runs rows marked
`sync` in its own process, and steps minute by minute from a time long ago.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, models, router, transaction
from django.utils import timezone
from django_q import cluster
from django_q.brokers import Broker, get_broker
from django_q.conf import Conf
from django_q.models import Schedule
from django_q.tasks import async_task
from django_q.utils import close_old_django_connections

from orchestration.django_q.allowed_tasks import TaskRefused, note_refused
from orchestration.django_q.schedules import arguments, keywords, problems
from orchestration.isolation import isolated
from orchestration.log import describe

logger = logging.getLogger(__name__)


def run_due(broker: Broker | None = None) -> None:
    """Send a task for each due row and set when it runs next; never raises.

    A row that cannot or may not run is logged and counted each time, and left unchanged: a newer version of the
    project may have the function that this one lacks.
    """
    close_old_django_connections()
    broker = broker or get_broker()
    try:
        keys = list(_due().values_list("pk", flat=True))
    except DatabaseError as error:
        logger.warning("schedules not read error=%s", describe(error))
        return
    for key in keys:  # each broker raises errors of its own
        with (
            isolated() as run,
            transaction.atomic(using=router.db_for_write(Schedule)),
        ):
            _run(key, broker)
        if isinstance(run.error, TaskRefused):
            note_refused(f"schedule {key}", run.error)
        elif run.error:
            logger.warning("schedule not run schedule=%s error=%s", key, describe(run.error))


def _due() -> models.QuerySet[Schedule]:
    ours = models.Q(cluster=Conf.CLUSTER_NAME)
    if Conf.CLUSTER_NAME == Conf.PREFIX:
        ours |= models.Q(cluster__isnull=True)
    using = router.db_for_write(Schedule)
    rows = Schedule.objects.using(using).filter(ours, next_run__lt=timezone.now())
    return rows.exclude(repeats=0).order_by("next_run", "pk")


def _run(key: int, broker: Broker) -> None:
    try:
        row = _due().select_for_update().filter(pk=key).first()
        found = problems(row) if row else {}
        if row is None:  # another cluster was faster
            return
        if found:
            raise TaskRefused(" ".join(found.values()))
        due_at: Any = row.next_run  # of a due row, so not null
        _move_on(row)
    except TaskRefused:
        raise
    except (ArithmeticError, LookupError, ValueError, TypeError) as error:
        raise TaskRefused(f"The row cannot be read ({describe(error)}).") from error
    row.task = _send(row, due_at, broker)
    if row.schedule_type == Schedule.ONCE and row.repeats < 0:
        row.delete()
        return
    row.repeats = 0 if row.schedule_type == Schedule.ONCE else row.repeats - 1 if row.repeats > 0 else -1
    row.save()


def _move_on(row: Any) -> None:
    """Set when a row runs next: the first of its times that is in the future."""
    if row.schedule_type == Schedule.ONCE:
        return
    now = timezone.now()
    step = {Schedule.MINUTES: timedelta(minutes=row.minutes or 1), Schedule.HOURLY: timedelta(hours=1)}
    if (add := step.get(row.schedule_type)) and row.next_run < now:
        row.next_run += (now - row.next_run) // add * add
    while row.next_run <= now:
        row.next_run = row.calculate_next_run(row.next_run)


def _send(row: Schedule, due_at: datetime, broker: Broker) -> str:
    named = keywords(row.kwargs)
    options: dict[str, Any] = named.pop("q_options", {})
    if row.intended_date_kwarg:
        named[row.intended_date_kwarg] = due_at.isoformat()
    if row.hook:
        options["hook"] = row.hook
    options.setdefault("group", row.name or row.pk)
    if row.cluster:
        options["cluster"] = row.cluster
    if options.get("cluster") in (None, Conf.CLUSTER_NAME):
        options["broker"] = broker
    task: str = async_task(row.func, *arguments(row.args), **named, q_options=options)
    return task


def install() -> None:
    """Make django-q's clusters use this scheduler. Called once, when the app is ready."""
    cluster.scheduler = run_due  # type: ignore[attr-defined]
