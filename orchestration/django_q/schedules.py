"""The rows of the periodic tasks, and the validation of every row."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connections
from django_q.conf import croniter  # type: ignore[attr-defined]
from django_q.models import Schedule

from orchestration.django_q.allowed_tasks import FIELDS, refusal
from orchestration.django_q.registration import PERIODIC
from orchestration.models.tables import is_migrated
from orchestration.values.moments import validate_moment

UNREADABLE = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)
"""What reading literals raises."""
OPTIONS = {"ack_failure", "cluster", "group", "hook", "save", "task_name", "timeout"}
"""Of q_options in a row's keywords."""
RESERVED = {*OPTIONS, "broker", "cached", "chain", "func", "iter_cached", "iter_count", "q_options", "sync"}
"""Keywords that django-q would take for its own options."""


def create_all(sender: AppConfig | None = None, *, using: str = "default", **_: object) -> None:
    """Create or correct every row of PERIODIC; the time of the next run is kept. Called after each
    `migrate` that leaves the table in place."""
    if not is_migrated(Schedule, using):
        return
    for periodic in PERIODIC:
        Schedule.objects.using(using).update_or_create(name=periodic.name, defaults=periodic.fields())


def problems(schedule: Schedule) -> dict[str, str]:
    """What is wrong with a row, by field; empty when it can and may run."""
    found = {"func": refusal(schedule.func)}
    if schedule.hook:
        found["hook"] = refusal(schedule.hook)
    found["args"] = _arguments_problem(schedule.args)
    found["kwargs"] = _keywords_problem(schedule.kwargs, schedule.intended_date_kwarg)
    if schedule.schedule_type not in dict(Schedule.TYPE):
        found["schedule_type"] = f"{schedule.schedule_type!r} is not a type of schedule."
    if schedule.minutes is not None and schedule.minutes < 1:
        found["minutes"] = "Write 1 or more."
    if schedule.schedule_type == Schedule.CRON:
        found["cron"] = _cron_problem(schedule.cron)
    found["next_run"] = _next_run_problem(schedule.next_run)
    return {field: problem for field, problem in found.items() if problem}


def _next_run_problem(moment: datetime | None) -> str:
    if moment is None:
        return ""
    try:
        validate_moment(moment)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


def refuse_broken(sender: type[Schedule], instance: Schedule, *, raw: bool = False, **_: object) -> None:
    """Raise ValidationError before a row is saved that cannot or may not run."""
    found = problems(instance)
    if found and not raw:
        raise ValidationError(found)


def _arguments_problem(text: str | None) -> str:
    try:
        arguments(text)
    except UNREADABLE:
        return "Write Python literals, separated by commas: 1, 2, 'text'."
    return ""


def _keywords_problem(text: str | None, date_keyword: str | None) -> str:
    try:
        named = keywords(text)
    except UNREADABLE:
        return "Write keywords with Python literals (x=1, name='text') or a dictionary with text as keys."
    options = named.pop("q_options", {})
    if not isinstance(options, dict):
        return "q_options must be a dictionary."
    for name in [*named, *([date_keyword] if date_keyword else [])]:
        if not name.isidentifier() or name in RESERVED:
            return f"{name!r} cannot be a keyword of a task; options of django-q belong in q_options."
    for name, value in options.items():
        if name not in OPTIONS:
            return f"The option {name!r} is not supported in q_options; supported are {', '.join(sorted(OPTIONS))}."
        if not isinstance(value, FIELDS.get(name, (str,))[0]):
            return f"The option {name!r} has a value that cannot be used."
    return refusal(options["hook"]) if options.get("hook") else ""


def arguments(text: str | None) -> tuple[Any, ...]:
    """The positional arguments that a row has as text; one of UNREADABLE when they are not literals."""
    if not text:
        return ()
    found = ast.literal_eval(text)
    return found if isinstance(found, tuple) else (found,)


def keywords(text: str | None) -> dict[str, Any]:
    """The keyword arguments that a row has as text: a dictionary, or x=1, y=2; one of UNREADABLE when it is neither."""
    if not text:
        return {}
    try:
        found = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError("not keyword arguments") from None
        found = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ValueError("not keyword arguments")
    return found


def _cron_problem(text: str | None) -> str:
    if croniter is None:
        return "Cron expressions need the package croniter, which is not installed; use minutes."
    return "" if text and croniter.is_valid(text) else f"{text!r} is not a cron expression."


@register(Tags.models)  # with the checks of code: it loads every task's module, which a starting worker must not
def check_definitions(**_: object) -> list[CheckMessage]:
    """orchestration.E141: an entry of PERIODIC cannot work, for example because its function does not exist."""
    found = ((periodic, problems(Schedule(name=periodic.name, **periodic.fields()))) for periodic in PERIODIC)
    return [
        Error(
            f"Periodic work {periodic.name!r}: {' '.join(wrong.values())}",
            hint="Correct what the app gives to `add_periodic`.",
            id="orchestration.E141",
        )
        for periodic, wrong in found
        if wrong
    ]


@register(Tags.database)
def check_rows(*, databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """orchestration.W141: a row of PERIODIC is missing; orchestration.E142: a row that cannot or may not run.

    Only with `check --database default`.
    """
    if not databases or "default" not in databases:
        return []
    try:
        if Schedule._meta.db_table not in connections["default"].introspection.table_names():
            return []  # before the first migrate
        rows = list(Schedule.objects.all())
    except DatabaseError:
        return []  # Django's own checks say that the database is away
    return [*_missing(rows), *_broken(rows)]


def _missing(rows: Sequence[Schedule]) -> list[CheckMessage]:
    present = {(row.name, row.func) for row in rows if row.repeats != 0}
    return [
        checks.Warning(
            f"Periodic work {periodic.name!r} has no schedule: lost wake-ups are repaired later, or never.",
            hint="Run `manage.py migrate`, which creates it.",
            id="orchestration.W141",
        )
        for periodic in PERIODIC
        if (periodic.name, periodic.func) not in present
    ]


def _broken(rows: Sequence[Schedule]) -> list[CheckMessage]:
    return [
        Error(
            f"Schedule {row.pk} ({row.name or row.func}) does not run: {' '.join(found.values())}",
            hint="Correct or delete it in the admin, under django-q, Scheduled tasks.",
            id="orchestration.E142",
        )
        for row, found in ((row, problems(row)) for row in rows)
        if found
    ]
