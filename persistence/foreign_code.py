"""Calling code of apps, storages and drivers, which may raise anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from orchestration.engine.queue.database_thread import is_away
from orchestration.isolation import isolated
from persistence import log

T = TypeVar("T")


def attempt(function: Callable[[], T], *, raises: tuple[type[Exception], ...] = ()) -> tuple[T | None, str]:
    """What it returns and an empty text, or None and why it failed, without values.

    Raised are the errors in `raises`, and what says that the database is away, which is not the code's fault.
    """
    with isolated() as run:
        result = function()
    if run.error is None:
        return result, ""
    if isinstance(run.error, raises) or is_away(run.error):
        raise run.error
    return None, log.explain(run.error)
