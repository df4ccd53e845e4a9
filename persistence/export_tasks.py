"""The task entry point of exports: a module of its own, because it loads the libraries for spreadsheets."""

from __future__ import annotations

from persistence.exports.worker import work
from persistence.tasks import prepare


def run_export(run_id: int) -> int:
    """Continue an export for one task; returns the rows of the file, 0 when it is not done."""
    prepare()
    return work(run_id)
