"""Periodic work as data: the rows that django-q's scheduler needs, and what a row must be so that it stops no other.

django-q reads all due rows in one transaction; an argument it cannot read in one row stops every schedule.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connections
from django_q.conf import croniter
from django_q.models import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Periodic:
    """One function that the default cluster runs again and again; either `minutes` or `cron`."""

    name: str
    func: str
    """Dotted path of a plain function."""
    minutes: int | None = None
    cron: str | None = None
    args: tuple[Any, ...] = ()

    def fields(self) -> dict[str, Any]:
        """The columns of the row."""
        return {
            "func": self.func,
            "args": repr(self.args) if self.args else None,
            "schedule_type": Schedule.CRON if self.cron else Schedule.MINUTES,
            "minutes": self.minutes,
            "cron": self.cron,
            "repeats": -1,
        }


PERIODIC = (
    Periodic(name="orchestration sweep", func="orchestration.tasks.sweep", minutes=1),
    Periodic(name="persistence drain", func="persistence.tasks.process_pending_persistence", minutes=1),
    Periodic(name="gateway sweep", func="apps.gateway.tasks.sweep", minutes=1),
    Periodic(name="persistence retention", func="persistence.tasks.prune_content", minutes=60),
)


def create_all(sender: AppConfig | None = None, *, using: str = "default", **_: object) -> None:
    """Create or correct every row of PERIODIC; when it runs next stays as it is. After each `migrate`."""
    for periodic in PERIODIC:
        Schedule.objects.using(using).update_or_create(name=periodic.name, defaults=periodic.fields())


def problems(schedule: Schedule) -> dict[str, str]:
    """What is wrong with a row, by field; empty when the scheduler can work with it."""
    found = {"func": _function_problem(schedule.func)}
    if schedule.hook:
        found["hook"] = _function_problem(schedule.hook)
    found["args"] = _arguments_problem(schedule.args)
    found["kwargs"] = _keywords_problem(schedule.kwargs)
    if schedule.schedule_type not in dict(Schedule.TYPE):
        found["schedule_type"] = f"{schedule.schedule_type!r} is no type of schedule."
    if schedule.schedule_type == Schedule.CRON:
        found["cron"] = _cron_problem(schedule.cron)
    return {field: problem for field, problem in found.items() if problem}


def refuse_broken(sender: type[Schedule], instance: Schedule, *, raw: bool = False, **_: object) -> None:
    """Raise ValidationError before a row is saved that would stop every schedule."""
    found = problems(instance)
    if found and not raw:
        raise ValidationError(found)


def _function_problem(path: str) -> str:
    module_name, _, name = (path or "").rpartition(".")
    if not module_name:
        return f"{path!r} is no dotted path, such as orchestration.tasks.sweep."
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        return f"{path!r}: {module_name} cannot be imported ({type(error).__name__})."
    return "" if callable(vars(module).get(name)) else f"{path!r}: {module_name} has no function {name!r}."


def _arguments_problem(text: str | None) -> str:
    if not text:
        return ""
    try:
        ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return "Write Python literals, separated by commas: 1, 2, 'text'."
    return ""


def _keywords_problem(text: str | None) -> str:
    if not text:
        return ""
    try:
        keywords = _keywords(text)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return "Write keywords with Python literals: x=1, name='text'."
    if not isinstance(keywords, dict) or not all(isinstance(key, str) for key in keywords):
        return "Write keywords (x=1, name='text') or a dictionary with text as keys."
    return "" if isinstance(keywords.get("q_options", {}), dict) else "q_options must be a dictionary."


def _keywords(text: str) -> Any:
    """As django-q's scheduler reads them: a literal, or else keyword arguments."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError("not keyword arguments") from None
        return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}


def _cron_problem(text: str | None) -> str:
    if croniter is None:
        return "Cron expressions need the package croniter, which is not installed; use minutes."
    return "" if text and croniter.is_valid(text) else f"{text!r} is no cron expression."


@register(Tags.models)  # with what is wrong in the code: it loads every task's module, which a starting worker has not
def check_definitions(**_: object) -> list[CheckMessage]:
    """config.E001: an entry of PERIODIC cannot work, for example because its function is not there."""
    found = ((periodic, problems(Schedule(name=periodic.name, **periodic.fields()))) for periodic in PERIODIC)
    return [
        Error(
            f"Periodic work {periodic.name!r}: {' '.join(wrong.values())}",
            hint="Correct config/schedules.py.",
            id="config.E001",
        )
        for periodic, wrong in found
        if wrong
    ]


@register(Tags.database)
def check_rows(*, databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """config.W001: a row of PERIODIC is missing; config.E002: a row that stops every schedule.

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
            id="config.W001",
        )
        for periodic in PERIODIC
        if (periodic.name, periodic.func) not in present
    ]


def _broken(rows: Sequence[Schedule]) -> list[CheckMessage]:
    return [
        Error(
            f"Schedule {row.pk} ({row.name or row.func}) stops every schedule: {' '.join(found.values())}",
            hint="Correct or delete it in the admin, under django-q, Scheduled tasks.",
            id="config.E002",
        )
        for row, found in ((row, problems(row)) for row in rows)
        if found
    ]
