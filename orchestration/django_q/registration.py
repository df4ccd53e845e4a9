"""What the apps ask of django-q: functions that workers may run, and functions that run periodically."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TASKS: set[str] = set()
"""Functions, or modules, that workers may run besides those of `settings.ORCA_TASKS`; see `allow_tasks`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Periodic:
    """One function that the default cluster runs periodically; either `minutes` or `cron`."""

    name: str
    func: str
    """Dotted path of a plain function."""
    minutes: int | None = None
    cron: str | None = None
    args: tuple[Any, ...] = ()

    def fields(self) -> dict[str, Any]:
        """The columns of the row of django-q's `Schedule`."""
        return {
            "func": self.func,
            "args": repr(self.args) if self.args else None,
            "schedule_type": "C" if self.cron else "I",  # Schedule.CRON, Schedule.MINUTES
            "minutes": self.minutes,
            "cron": self.cron,
            "repeats": -1,
        }


PERIODIC: list[Periodic] = []
"""`migrate` makes a schedule of each; see `add_periodic`."""


def allow_tasks(*paths: str) -> None:
    """Let workers run these: dotted paths of functions, or of modules, whose public functions all may. For the
    `ready()` of an app."""
    TASKS.update(paths)


def add_periodic(*entries: Periodic) -> None:
    """Run these periodically. For the `ready()` of an app; one of the same name replaces the former."""
    names = {entry.name for entry in entries}
    PERIODIC[:] = [*(known for known in PERIODIC if known.name not in names), *entries]
